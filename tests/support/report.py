"""Counts and prints results: one line a check, and `N passed, N failed, N skipped` at the end.

Owns standard output of a runner; what a failing check needs in order to be understood is
indented below its line. Deciding what is a failure is left to the runners.
"""

import sys
import threading
import time


class Report:
    """The results of one run. Safe to call from several threads."""

    def __init__(self, verbose=False):
        self.verbose = verbose
        self.passed = 0
        self.failed = 0
        self.skipped = 0
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def ok(self, name, detail=""):
        """A check that held."""
        with self._lock:
            self.passed += 1
            self._line("ok", name, detail)

    def fail(self, name, why=""):
        """A check that did not hold; the lines of `why` are printed below it."""
        with self._lock:
            self.failed += 1
            self._line("not ok", name, "")
            for line in str(why).splitlines():
                print(f"    {line}", flush=True)

    def skip(self, name, why):
        """A check that could not be made here, and why."""
        with self._lock:
            self.skipped += 1
            self._line("skip", name, why)

    def check(self, name, holds, why="", detail=""):
        """`ok` or `fail`; returns whether it held."""
        if holds:
            self.ok(name, detail)
        else:
            self.fail(name, why)
        return bool(holds)

    def equal(self, name, seen, wanted, why=""):
        """Like `check`, for two values that must be the same."""
        return self.check(name, seen == wanted, f"expected {wanted!r}\n     saw {seen!r}\n{why}")

    def note(self, text):
        """Always printed, counts for nothing."""
        with self._lock:
            print(f"# {text}", flush=True)

    def debug(self, text):
        """Printed with -v only, with the seconds since the start."""
        if self.verbose:
            with self._lock:
                for line in str(text).splitlines():
                    print(f"# {time.monotonic() - self._begin:7.3f} {line}", flush=True)

    def finish(self, skipped=True):
        """Prints the last line and returns the exit code."""
        sys.stderr.flush()
        tail = f", {self.skipped} skipped" if skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{tail}", flush=True)
        return 1 if self.failed or not (self.passed or self.skipped) else 0

    def _line(self, what, name, detail):
        print(f"{what} - {name}{f': {detail}' if detail else ''}", flush=True)
