#!/usr/bin/env python3
"""The load generator beside other people's programs: `run.py LOADGEN`.

What reads its logs, what certificates people have, and a proxy that ends connections as it
pleases. What is not installed is skipped and named. Python's standard library only.
"""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from loadgen import certificates, logs, proxy  # noqa: E402
from support import sections  # noqa: E402
from support.sections import Section  # noqa: E402

RUN_SECONDS_MAX = 85

SECTIONS = [
    Section("logs", logs.run, alone=True),
    Section("certificates", certificates.run, alone=True),
    Section("proxy", proxy.run, alone=True),
]

if __name__ == "__main__":
    sys.exit(sections.main(__doc__.splitlines()[0], SECTIONS, RUN_SECONDS_MAX))
