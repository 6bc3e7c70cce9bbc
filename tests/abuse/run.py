#!/usr/bin/env python3
"""Abuses a node of its own on loopback and looks at what is left: `run.py BINARY`.

Each section starts a node, does one kind of harm, and checks the answers; then `guard` checks
that the node idles and has given back its descriptors and memory. What must be answered stands
in docs/operations.md. Python's standard library only.
"""

import argparse
import os
import sys
import threading
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# This folder's modules are imported as `abuse.…`; its own names shall not shadow others.
sys.path[:] = [path for path in sys.path if os.path.basename(path) != "abuse"]
from abuse import bad_frames, bad_requests, crowds, flags, policy, slow, sudden_ends  # noqa: E402
from abuse.guard import Guard  # noqa: E402
from support.node import Node, exit_on_signals, kill_all, raise_descriptor_limit  # noqa: E402
from support.report import Report  # noqa: E402

DRAIN = ("--drain", "200ms")
RUN_SECONDS_MAX = 400


# Name, what it does, flags and options of its node.
SECTIONS = [
    ("requests", bad_requests.run, (), {}),
    ("frames", bad_frames.run, (), {}),
    ("killed", sudden_ends.killed_clients, (), {}),
    ("resets", sudden_ends.resets_in_the_handshake, (), {}),
    ("drips", slow.dripped_heads, (), {}),
    ("never-reads", slow.reader_that_never_reads, (), {}),
    ("pings", slow.pings_unread, (), {}),
    ("bodies", slow.unfinished_bodies, (), {}),
    ("posts", crowds.many_posts, (), {}),
    ("descriptors", crowds.descriptor_limit, (), {"descriptors": crowds.DESCRIPTORS}),
    ("limit", crowds.connection_limit, ("--max-connections", str(crowds.LIMITED_TO)), {}),
    ("policy", policy.run, policy.FLAGS, {}),
]


def run_flags(binary, report):
    """The section that starts nodes of its own."""
    report.note("section flags")
    try:
        flags.run(os.path.abspath(binary), report)
    except Exception:  # pylint: disable=broad-except # the other sections shall still run
        report.fail("section flags", traceback.format_exc())


def run_section(binary, report, section, more_flags):
    """One section with a node of its own; what it raises is a failure of the section."""
    name, harm, flags_of_node, options = section
    report.note(f"section {name}")
    node = None
    try:
        with Node(binary, *DRAIN, *flags_of_node, *more_flags, **options) as node:
            harm(Guard(node, report))
            report.equal(f"section {name}: the node exits with 0", node.stop(), 0, node.log_text())
    except Exception:  # pylint: disable=broad-except # the other sections shall still run
        log = node.log_text() if node and not node.log.file.closed else ""
        report.fail(f"section {name}", f"{traceback.format_exc()}\n{log}")


def end_at_the_latest(seconds, report):
    """The run ends by itself, and takes its children with it."""
    def give_up():
        report.fail("the run", f"not done after {seconds} s")
        report.finish(skipped=False)
        kill_all()
        os._exit(1)
    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def main():
    names = [section[0] for section in SECTIONS] + ["flags"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="the altavoz binary")
    parser.add_argument("--only", action="append", choices=names, metavar="SECTION",
                        help=f"repeatable; of {', '.join(names)}")
    parser.add_argument("--node-flag", action="append", default=[], metavar="FLAG",
                        help="for every node, such as --node-flag=--driver=uring (repeatable)")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    exit_on_signals()
    raise_descriptor_limit()
    report = Report(options.verbose)
    end_at_the_latest(RUN_SECONDS_MAX, report)
    wanted = options.only or names
    if "flags" in wanted:
        run_flags(options.binary, report)
    for section in SECTIONS:
        if section[0] in wanted:
            run_section(options.binary, report, section, options.node_flag)
    return report.finish(skipped=False)


if __name__ == "__main__":
    sys.exit(main())
