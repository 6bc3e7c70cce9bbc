#!/usr/bin/env python3
"""Every transport through other people's proxies: `run.py BINARY`.

nginx, also the plainest, HAProxy, Apache, Caddy, Traefik, Envoy, lighttpd and h2o in front of a
node, each with the configuration that this repository gives to users. What comes through must come
at once: each update is published only when the one before it was received, which no proxy that
collects could do. The section `idle` takes more than three minutes and runs with `--long` or
`--only idle`.
"""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from proxies import front, idle  # noqa: E402
from support import places, sections  # noqa: E402
from support.sections import Section  # noqa: E402

RUN_SECONDS_MAX = 400

SECTIONS = [Section(name, run, alone=True) for name, run in front.SECTIONS.items()]
SECTIONS.append(Section("idle", idle.run, alone=True, long=True))

if __name__ == "__main__":
    places.use_venv(places.PROXIES)
    sys.exit(sections.main(__doc__.splitlines()[0], SECTIONS, RUN_SECONDS_MAX))
