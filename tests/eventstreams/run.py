#!/usr/bin/env python3
"""Other people's clients of server-sent events, cut, restarted and sent away: `run.py BINARY`.

Contract of a client program, `PROGRAM… URL...`: it reads each URL for as long as it lives and says
what becomes of it, one JSON object a line; `n` is the URL's place.

    {"is": "client", "title": "NAME VERSION"}                      first
    {"n": 0, "is": "event", "name": "…", "data": "…", "id": "…"}   an event that its library gave out
    {"n": 0, "is": "cut", "why": "…"}, {"n": 0, "is": "ended"}     a connection broke, or was over
    {"n": 0, "is": "over", "why": "…"}                             the library does not come back

Each client meets every ordeal at once, each ordeal by a URL, a topic and a relay of its own. What
has to hold is: what arrives is complete, or announced by `reset` or by a position of another life.
"""

import argparse
import json
import os
import subprocess
import sys
import threading

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from eventstreams import ordeals, table  # noqa: E402
from support import children, places  # noqa: E402
from support.node import Node  # noqa: E402
from support.report import Report  # noqa: E402
from support.sections import end_at_the_latest  # noqa: E402

RUN_SECONDS_MAX = 190
# So many clients at once: each is a program, and most of them wait for most of the time.
CLIENTS_AT_ONCE = 8


class Candidate:
    """One client with all its ordeals."""

    def __init__(self, client, node, options, report):
        self.client = client
        self.node = node
        self.options = options
        self.report = report
        self.title = client.name

    def run(self):
        """Skips, or starts the program and judges every ordeal."""
        command, missing = self.client.program()
        if missing:
            self.report.skip(self.client.name, f"{missing}: {places.SETUP_HINT}")
            return
        wanted = [ordeal for ordeal in ordeals.ORDEALS
                  if ordeal.name in (self.options.ordeal or [ordeal.name])]
        stages = [self._stage(ordeal) for ordeal in wanted]
        urls = [stage.url for stage in stages]
        child = children.spawn([*command, *urls], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        errors = []
        self._begin(self._hear, child, stages)
        self._begin(errors.extend, child.stderr)
        threads = [self._begin(self._play, *pair, errors) for pair in zip(wanted, stages)]
        for thread in threads:
            thread.join()
        end(child)
        for stage in stages:
            stage.close()

    @staticmethod
    def _begin(run, *arguments):
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        thread.start()
        return thread

    def _stage(self, ordeal):
        name = "".join(c if c.isalnum() else "-" for c in self.client.name)
        stage = ordeals.Stage(self.options.binary, self.node, f"{name}/{ordeal.name}")
        if ordeal.needs_own:
            stage.node = stage.new_node()
        stage.open(ordeal.query)
        ordeal.prepare(stage)
        return stage

    def _hear(self, child, stages):
        for text in child.stdout:
            line = json.loads(text)
            self.report.debug(f"{self.client.name}: {text.decode()[:200].rstrip()}")
            if line["is"] == "client":
                self.title = line["title"]
            else:
                reading = stages[line["n"]].reading
                reading.is_over |= line["is"] == "over"
                reading.lines.put(line)
        for stage in stages:
            stage.reading.is_over = True
            stage.reading.lines.put({"is": "over", "why": "the program ended"})

    def _play(self, ordeal, stage, errors):
        try:
            outcome = ordeal.run(stage)
        except ordeals.Over:
            outcome = "over"
        except ordeals.Silence:
            outcome = "silent"
        except Exception as error:  # pylint: disable=broad-except # the other ordeals shall go on
            outcome = f"{type(error).__name__}: {error}"
        expected = self.client.expected(ordeal.name)
        log = "\n".join(map(str, stage.reading.log[-12:]))
        asked = "\n".join(f"{request!r:.600}" for request in stage.relay.requests[-3:])
        words = b"".join(errors[-12:]).decode("utf-8", "replace")
        self.report.equal(f"{self.title}, {ordeal.name}: {expected}", outcome, expected,
                          f"{log}\n{asked}\n{words}")


def end(child):
    """SIGTERM first: a program may have a browser to end."""
    child.terminate()
    try:
        child.wait(5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main():
    names = [client.name for client in table.CLIENTS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="the altavoz binary")
    parser.add_argument("--only", action="append", choices=names, metavar="CLIENT",
                        help=f"repeatable; of {', '.join(names)}")
    parser.add_argument("--ordeal", action="append", metavar="ORDEAL", help="repeatable; of "
                        f"{', '.join(ordeal.name for ordeal in ordeals.ORDEALS)}")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    options.binary = os.path.abspath(options.binary)
    children.exit_on_signals()
    children.raise_descriptor_limit()
    report = Report(options.verbose)
    end_at_the_latest(RUN_SECONDS_MAX, report)
    gate = threading.Semaphore(CLIENTS_AT_ONCE)

    def run(client):
        with gate:
            Candidate(client, node, options, report).run()

    with Node(options.binary, *ordeals.FLAGS, "--ping-interval", "1s") as node:
        threads = [threading.Thread(target=run, args=(client,), daemon=True)
                   for client in table.CLIENTS if client.name in (options.only or names)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        report.equal("the node exits with 0", node.stop(), 0, node.log_text())
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
