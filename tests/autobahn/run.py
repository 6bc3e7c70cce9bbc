#!/usr/bin/env python3
"""Runs the Autobahn suite's cases against `/echo` of a running node: `run.py BASE_URL`.

The cases and their fuzzing client come from PyPI's `kosoku`. All cases of groups 1 to 7, 9 and
10 are run; 12 and 13 are about permessage-deflate. Stricter than the suite's own verdict: a case
passes with OK or INFORMATIONAL (behaviour that RFC 6455 leaves open), both for the messages and
for the closing handshake; NON-STRICT fails. The node must be started with `--echo`.
"""

import argparse
import asyncio
import collections
import fnmatch
import os
import sys
import urllib.parse

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from support import children, places  # noqa: E402
from support.report import Report  # noqa: E402
from support.sections import end_at_the_latest  # noqa: E402

GROUPS = {
    "1": "framing", "2": "pings and pongs", "3": "reserved bits", "4": "opcodes",
    "5": "fragmentation", "6": "UTF-8", "7": "closing", "9": "limits and speed",
    "10": "auto-fragmentation",
}
# How many cases the suite has there. A run of fewer, unasked for, has not run the suite.
CASES_EXPECTED = 301
GOOD = {"OK", "INFORMATIONAL"}
# Failures explained at length; the table names all of them.
EXPLANATIONS_MAX = 25


def selected(patterns):
    """Ids of the cases to run, by group, in the suite's order."""
    from kosoku.cases import CASES
    groups = {group: [] for group in GROUPS}
    for case in CASES:
        group = case.split(".")[0]
        wanted = not patterns or any(fnmatch.fnmatch(case, pattern) for pattern in patterns)
        if group in groups and wanted:
            groups[group].append(case)
    return {group: cases for group, cases in groups.items() if cases}


def echo_url(base):
    """`ws://host:port/echo`; a path of its own in `base` is kept."""
    parts = urllib.parse.urlsplit(base)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path if parts.path not in ("", "/") else "/echo"
    return f"{scheme}://{parts.netloc}{path}"


async def results_of(url, cases, concurrency, timeout):
    """The suite's result of each case."""
    import kosoku
    run = kosoku.run_fuzzingclient(url, cases, None, concurrency=concurrency)
    try:
        return await asyncio.wait_for(run, timeout)
    except kosoku.FailureError as failure:
        return failure.results


def verdict(result):
    """Both behaviours as one word, or as `messages/closing` where they differ."""
    words = (result.behavior.value, result.behavior_close.value)
    return words[0] if words[0] == words[1] else "/".join(words)


def is_good(result):
    """Whether a case passes here."""
    return result.behavior.value in GOOD and result.behavior_close.value in GOOD


def print_table(results):
    """One line for each subgroup: the last number of each case and its verdict."""
    rows = collections.defaultdict(list)
    for result in results:
        row, _, number = result.case_id.rpartition(".")
        rows[row].append(f"{number} {verdict(result)}")
    for row, cells in rows.items():
        print(f"  {row + '.':<6} {', '.join(cells)}", flush=True)


def explain(result, verbose):
    """What a reader needs in order to see why a case failed."""
    lines = [
        f"messages {result.behavior.value}: {result.result}",
        f"closing {result.behavior_close.value}: {result.result_close}",
        f"expected: {' '.join(str(result.expectation).split())[:300]}",
        f"close codes: ours {result.local_close_code}, node's {result.remote_close_code}"
        f" {result.remote_close_reason or ''}",
    ]
    if result.was_not_clean_reason:
        lines.append(f"not clean: {result.was_not_clean_reason}")
    if verbose:
        lines += [str(entry)[:200] for entry in (result.wirelog or [])[:40]]
    return "\n".join(lines)


def judge(report, group, cases, results):
    """Counts one group's results; a case without a result failed."""
    print_table(results)
    for result in results:
        if is_good(result):
            report.passed += 1
        elif report.failed < EXPLANATIONS_MAX:
            report.fail(f"case {result.case_id}", explain(result, report.verbose))
        else:
            report.fail(f"case {result.case_id} {verdict(result)}")
    for case in set(cases) - {result.case_id for result in results}:
        report.fail(f"case {case}", "the suite gave no result")
    good = sum(map(is_good, results))
    slowest = max((result.duration for result in results), default=0)
    print(f"group {group}, {GROUPS[group]}: {good} of {len(cases)} good, "
          f"slowest case {slowest} ms", flush=True)


async def run(options, report):
    """All groups, one after the other."""
    groups = selected(options.case)
    url = echo_url(options.base_url)
    count = sum(map(len, groups.values()))
    report.note(f"{count} cases against {url}")
    if not options.case and count < CASES_EXPECTED:
        report.fail("the whole suite", f"only {count} of {CASES_EXPECTED} cases are there")
    if not count:
        return report.fail("the choice of cases", f"none matches {options.case}")
    trial = (await results_of(url, ["1.1.1"], 1, options.timeout))[0]
    if trial.behavior.value == "ERROR":
        return report.fail("the first connection", f"{trial.result}\nis there a node at {url}, "
                           "and was it started with --echo?")
    for group, cases in groups.items():
        try:
            results = await results_of(url, cases, options.parallel, options.timeout)
        except (asyncio.TimeoutError, OSError, RuntimeError) as error:
            report.fail(f"group {group}", f"{type(error).__name__}: {error}")
            continue
        judge(report, group, cases, results)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base_url", help="such as http://127.0.0.1:8000; /echo is added")
    parser.add_argument("--case", action="append", metavar="ID",
                        help="only these, such as 7.5.1 or '6.*' (repeatable)")
    parser.add_argument("--parallel", type=int, default=2, help="cases at a time (2)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a group (300)")
    parser.add_argument("-v", "--verbose", action="store_true", help="wire logs of failed cases")
    options = parser.parse_args()
    children.exit_on_signals()
    report = Report(options.verbose)
    try:
        import kosoku  # noqa: F401
    except ImportError:
        report.skip("the Autobahn cases", f"Python's kosoku is missing: {places.SETUP_HINT}")
        return report.finish()
    end_at_the_latest(options.timeout * len(GROUPS), report)
    asyncio.run(run(options, report))
    return report.finish(skipped=False)


if __name__ == "__main__":
    places.use_venv()
    code = main()
    sys.stdout.flush()
    # The fuzzing client's threads outside of Python are not waited for: some do not survive its end.
    os._exit(code)
