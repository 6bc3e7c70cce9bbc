#!/usr/bin/env python3
"""The node as a process of a host, a container and a supervisor: `run.py BINARY`.

What each signal, limit and surrounding leads to stands in docs/operations.md. Where namespaces or
another user are needed, they are made for the one program under test; where that is not permitted
the check is skipped with the reason. Python's standard library and util-linux only.
"""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from host import addresses, files, obstacles, signals, streams, surroundings, values, variables  # noqa: E402
from support import sections  # noqa: E402
from support.sections import Section  # noqa: E402

RUN_SECONDS_MAX = 170

SECTIONS = [
    Section("variables", variables.run, alone=True),
    Section("values", values.run, alone=True),
    Section("files", files.run, alone=True),
    Section("addresses", addresses.run, alone=True),
    Section("obstacles", obstacles.run, alone=True),
    Section("signals", signals.run, alone=True),
    Section("paused", signals.paused, alone=True),
    Section("streams", streams.run, alone=True),
    Section("surroundings", surroundings.run, alone=True),
]

if __name__ == "__main__":
    sys.exit(sections.main(__doc__.splitlines()[0], SECTIONS, RUN_SECONDS_MAX))
