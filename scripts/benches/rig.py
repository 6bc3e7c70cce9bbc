"""Starts servers and generators for the benches, pinned and one at a time, and reads their reports."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, "target", "release")
RESULTS = os.path.join(ROOT, "target", "bench")
# So long may a server take to end: it may have many connections to close.
END_SECONDS = 30

sys.path.append(os.path.join(ROOT, "tests"))
from support import server  # noqa: E402


class Server(server.Server):
    """A server process that prints `listening on http://HOST:PORT`, pinned."""

    # Of the generator, beyond what it is told anyhow.
    flags = ()

    def __init__(self, *command, cores=None):
        pin = ["taskset", "-c", cores] if cores else []
        super().__init__([*pin, *command])
        try:
            self.base = self.start().address().rstrip("/")
        except RuntimeError as error:
            raise SystemExit(f"{command[0]} did not start: {error}") from None
        self.url = self.base.replace("http", "ws")
        self.pids = [self.pid]

    def rss(self):
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_ns(self):
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as stat:
                total += int(stat.read().split()[0])
        return total

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop(END_SECONDS)
        self.close()


def node(*flags, cores="0", log="error", binary=None):
    """The node, whose log is quiet and which closes everything at once when it ends."""
    return Server(binary or os.path.join(BIN, "altavoz"), "serve", "--listen", "127.0.0.1:0", "--drain", "0",
                  "--log-level", log, *flags, cores=cores)


def bare(*flags, cores="0"):
    """The yardstick: a loop of send(MSG_DONTWAIT|MSG_NOSIGNAL) with ready-made bytes."""
    return Server(os.path.join(BIN, "loadgen"), "bare", "--listen", "127.0.0.1:0",
                  *flags, cores=cores)


def generator(command, server, *flags, cores="1"):
    """The command line of the generator against a server."""
    pin = ["taskset", "-c", cores] if cores else []
    pids = ["--server-pid", ",".join(map(str, server.pids))] if server.pids else []
    return [*pin, os.path.join(BIN, "loadgen"), command, "--target", server.url, *pids, "--quiet",
            *server.flags, *flags]


def loadgen(command, server, *flags, cores="1", name=None):
    """One run of the generator against a server; gives back its report."""
    run = subprocess.run(generator(command, server, "--json", "-", *flags, cores=cores),
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        report = json.loads(run.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"loadgen {command} gave no report: {run.stderr}")
    if name:
        os.makedirs(RESULTS, exist_ok=True)
        with open(os.path.join(RESULTS, f"{name}.json"), "w") as file:
            json.dump(report, file, indent=1)
    return report


def deliveries(report):
    """Whether everything arrived once and in order, and the words for it."""
    total = report["total"]
    good = (total["received"] == total["expected"] > 0
            and total["lost"] == total["duplicated"] == total["reordered"] == 0)
    words = (f"delivered {total['received']} of {total['expected']}, lost {total['lost']}, "
             f"duplicated {total['duplicated']}, reordered {total['reordered']}")
    return good, words


def limit(report):
    """The generator's word on whether it was the limit itself."""
    verdict = report.get("verdict") or report["total"].get("verdict") or {}
    return verdict.get("line") if isinstance(verdict, dict) else verdict


median = statistics.median


class Table:
    """Rows with a bar each; says at the end whether all held."""

    def __init__(self, title):
        self.failed = 0
        self.passed = 0
        print(f"\n{title}")
        print(f"  {machine()}, {time.strftime('%Y-%m-%d')}")

    def row(self, what, measured, bar=None, holds=None):
        mark = "" if holds is None else (" ok" if holds else " MISSED")
        if holds is not None:
            self.passed += bool(holds)
            self.failed += not holds
        against = f"  (bar {bar})" if bar else ""
        print(f"  {what:<58} {measured}{against}{mark}", flush=True)

    def note(self, text):
        print(f"    {text}", flush=True)


def machine():
    with open("/proc/cpuinfo") as info:
        model = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    with open("/proc/meminfo") as info:
        memory = int(info.readline().split()[1]) / 1024 / 1024
    return f"{os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {os.uname().release}"


def descriptors():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def fail(message):
    sys.exit(f"bench: {message}")
