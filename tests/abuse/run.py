#!/usr/bin/env python3
"""Abuses a node of its own on loopback and looks at what is left: `run.py BINARY`.

Each section starts a node, does one kind of harm, and checks the answers; then `guard` checks
that the node idles and has given back its descriptors and memory. What must be answered stands
in docs/operations.md. Python's standard library only.
"""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from abuse import (bad_frames, bad_requests, bodies, crowds, flags, handed_on, heads,  # noqa: E402
                   policy, slow, sudden_ends)
from abuse.guard import Guard  # noqa: E402
from support import sections  # noqa: E402
from support.sections import Section  # noqa: E402

RUN_SECONDS_MAX = 400

SECTIONS = [
    Section("flags", flags.run, alone=True),
    Section("requests", bad_requests.run),
    Section("heads", heads.run),
    Section("unasked", bodies.unasked),
    Section("half-closed", bodies.half_closed),
    Section("frames", bad_frames.run),
    Section("killed", sudden_ends.killed_clients),
    Section("resets", sudden_ends.resets_in_the_handshake),
    Section("drips", slow.dripped_heads),
    Section("never-reads", slow.reader_that_never_reads),
    Section("pings", slow.pings_unread),
    Section("bodies", slow.unfinished_bodies),
    Section("posts", crowds.many_posts),
    Section("descriptors", crowds.descriptor_limit, options={"descriptors": crowds.DESCRIPTORS}),
    Section("limit", crowds.connection_limit, ("--max-connections", str(crowds.LIMITED_TO))),
    Section("policy", policy.run, policy.FLAGS),
    Section("handed-on", handed_on.run, handed_on.FLAGS),
]

if __name__ == "__main__":
    sys.exit(sections.main(__doc__.splitlines()[0], SECTIONS, RUN_SECONDS_MAX, Guard))
