#!/usr/bin/env python3
"""Every transport from outside, against docs/transports.md: `run.py BINARY`.

Each section starts a node of its own. What was published and what each reader must get is known
to `support.ledger`; the readers are those of `support.readers`. Python's standard library only, but
for `promtool` and the parsers of prometheus-client where they are installed.
"""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from support import places, sections  # noqa: E402
from support.sections import Section  # noqa: E402
from transports import (access, conflate, drain, far, filled, gone, histories, matrix,  # noqa: E402
                        rules, slow, waiting)
from support.scene import Scene  # noqa: E402

RUN_SECONDS_MAX = 280

SECTIONS = [
    Section("matrix", matrix.run, matrix.FLAGS),
    Section("collected", matrix.run_collected, matrix.COLLECTED_FLAGS),
    Section("rules", rules.run),
    Section("origins", access.run_origins, access.ORIGIN_FLAGS),
    Section("keys", access.run_keys, access.KEY_FLAGS),
    Section("filled", filled.run, filled.FLAGS),
    Section("clients", filled.run_clients, alone=True),
    Section("served", filled.run_served, alone=True),
    Section("beats", waiting.run_beats, waiting.BEAT_FLAGS),
    Section("timeouts", waiting.run_timeouts),
    Section("reuse", waiting.run_reuse),
    Section("histories", histories.run, histories.FLAGS),
    Section("conflate", conflate.run),
    Section("gone", gone.run, gone.FLAGS),
    Section("full", gone.run_full),
    Section("pipelined", gone.pipelined_polls),
    Section("slow", slow.run),
    Section("far", far.run, alone=True),
    Section("drain", drain.run, drain.FLAGS),
]

if __name__ == "__main__":
    places.use_venv()
    sys.exit(sections.main(__doc__.splitlines()[0], SECTIONS, RUN_SECONDS_MAX, Scene))
