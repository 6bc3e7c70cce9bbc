"""A test program of sections, each with a node of its own: arguments, order, failures, time.

Owns the command line that such programs share (`run.py BINARY [--only SECTION] [--node-flag F]`).
What a section does is left to the programs.
"""

import argparse
import os
import threading
import traceback
from typing import Callable, NamedTuple

from support.children import exit_on_signals, kill_all, raise_descriptor_limit
from support.node import Node
from support.report import Report

DRAIN = ("--drain", "200ms")


class Section(NamedTuple):
    """One section. `run` gets what the program's `prepare` makes of node and report; without a
    node (`alone`) it gets the binary and the report."""
    name: str
    run: Callable
    flags: tuple = ()
    options: dict = {}
    alone: bool = False
    # Only by `--long` or by its name: it takes minutes.
    long: bool = False


def end_at_the_latest(seconds, report):
    """The run ends by itself, and takes its children with it."""
    def give_up():
        report.fail("the run", f"not done after {seconds:.0f} s")
        report.finish(skipped=False)
        kill_all()
        os._exit(1)
    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def run_alone(section, report, options):
    """A section that starts nodes of its own."""
    report.note(f"section {section.name}")
    try:
        section.run(os.path.abspath(options.binary), report)
    except Exception:  # pylint: disable=broad-except # the other sections shall still run
        report.fail(f"section {section.name}", traceback.format_exc())


def run_section(section, report, options, prepare):
    """One section with a node of its own; what it raises is a failure of the section."""
    report.note(f"section {section.name}")
    drain = () if "--drain" in section.flags else DRAIN
    node = Node(options.binary, *drain, *section.flags, *options.node_flag, **section.options)
    try:
        section.run(prepare(node.start(), report))
        report.equal(f"section {section.name}: the node exits with 0", node.stop(), 0,
                     node.log_text())
    except Exception:  # pylint: disable=broad-except # the other sections shall still run
        report.fail(f"section {section.name}", f"{traceback.format_exc()}\n{node.log_text()}")
    finally:
        node.close()


def main(title, sections, seconds_max, prepare=None):
    """The program; returns its exit code."""
    names = [section.name for section in sections]
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("binary", help="the altavoz binary")
    parser.add_argument("--only", action="append", choices=names, metavar="SECTION",
                        help=f"repeatable; of {', '.join(names)}")
    parser.add_argument("--node-flag", action="append", default=[], metavar="FLAG",
                        help="for every node, such as --node-flag=--driver=uring (repeatable)")
    if any(section.long for section in sections):
        parser.add_argument("--long", action="store_true", help="also those that take minutes")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    exit_on_signals()
    raise_descriptor_limit()
    report = Report(options.verbose)
    end_at_the_latest(seconds_max, report)
    for section in sections:
        if section.name not in (options.only or names) or (
                section.long and not options.only and not options.long):
            continue
        if section.alone:
            run_alone(section, report, options)
        else:
            run_section(section, report, options, prepare)
    return report.finish(skipped=report.skipped > 0)
