"""The clients, and what comes of each ordeal with each of them: what stands in docs/transports.md.

What a client cannot do is an expectation like any other, so that a check fails when that changes.
"""

import os
import shutil
import subprocess
import sys
from typing import NamedTuple

from support import places

HERE = os.path.dirname(os.path.abspath(__file__))

# What a client does that reads and resumes as the standard says.
STANDARD = {"first": "complete", "middle": "complete", "lines": "complete", "id": "complete",
            "restart": "reset", "drain": "reset", "503": "complete", "long": "900 KiB",
            "payloads": "all", "json": "all"}


class Client(NamedTuple):
    """One client. `program` makes its command, or says why it cannot."""
    name: str
    program: object
    # Where it is not the standard's.
    outcomes: dict = {}

    def expected(self, ordeal):
        """What comes of this ordeal."""
        return self.outcomes.get(ordeal, STANDARD[ordeal])


def npm(name):
    """From npm."""
    def program():
        if not shutil.which("node"):
            return None, "node is missing"
        if not os.path.isdir(os.path.join(HERE, "node_modules", name)):
            return None, f"npm package {name} is missing"
        return ["node", os.path.join(HERE, "clients", "npm.mjs"), name], None
    return name, program


def pypi(name):
    """From PyPI."""
    def program():
        interpreter = places.VENV_PYTHON
        if not os.access(interpreter, os.X_OK):
            interpreter = sys.executable
        probe = f"import importlib.metadata as m; m.version({name!r})"
        if subprocess.run([interpreter, "-c", probe], capture_output=True, check=False).returncode:
            return None, f"Python package {name} is missing"
        return [interpreter, os.path.join(HERE, "clients", "pypi.py"), name], None
    return f"{name} (PyPI)", program


def browser(name, command):
    """The EventSource of a browser."""
    def program():
        if not shutil.which(command):
            return None, f"{command} is missing"
        return [sys.executable, os.path.join(HERE, "clients", "browser.py"), name.lower()], None
    return name, program


def crate(name):
    """From crates.io; all of them are one program, which scripts/setup-tests builds."""
    def program():
        binary = os.path.join(places.CACHE, "eventstreams", "debug", "event-stream-clients")
        if not os.access(binary, os.X_OK):
            return None, "the clients from crates.io are not built"
        return [binary, name], None
    return f"{name} (crate)", program


# What clients make of payloads that are rare, each in its own way. `?format=json` is safe in all.
TRIMMED = "not empty lines, blanks around, a line end alone"
EMPTY = "not a line end alone, U+FEFF"
SPLIT = "not a line end alone, U+2028, U+0085, VT"
# A status is the end for them, as the standard says.
FINAL = {"503": "over"}
# A cut is an exception, and the end; it is for the program to begin anew.
RAISES = {ordeal: "over" for ordeal in ("first", "middle", "lines", "id", "restart", "503")}
# They remember an id at its line, before its event has ended: a cut in between loses the event.
EARLY = {"id": "lost"}

CLIENTS = [
    Client(*browser("Chromium", "chromium"), FINAL),
    Client(*browser("Firefox", "firefox-esr"), {**FINAL, "payloads": "not NUL"}),
    Client(*npm("eventsource-v2"), EARLY),
    Client(*npm("eventsource-v3"), FINAL),
    Client(*npm("eventsource-v4"), FINAL),
    Client(*npm("eventsource-v5"), FINAL),
    Client(*npm("@sanity/eventsource"), EARLY),
    Client(*npm("extended-eventsource"), {**FINAL, **EARLY, "payloads": EMPTY}),
    Client(*npm("launchdarkly-eventsource")),
    Client(*npm("event-source-polyfill"), FINAL),
    Client(*npm("reconnecting-eventsource")),
    Client(*npm("@microsoft/fetch-event-source"),
           {**EARLY, "drain": "over", "payloads": EMPTY}),
    Client(*npm("event-source-plus"),
           {"lines": "changed",
            "payloads": "not several lines, empty lines, blanks around, a line end alone, U+FEFF"}),
    Client(*npm("eventsource-client")),
    Client(*npm("eventsource-parser")),
    Client(*npm("fetch-event-stream"),
           {"payloads": "not blanks around, a line end alone, U+FEFF"}),
    Client(*pypi("sseclient"), {**FINAL, "payloads": SPLIT}),
    Client(*pypi("sseclient-py")),
    Client(*pypi("httpx-sse")),
    Client(*pypi("requests-sse"), {**FINAL, "payloads": TRIMMED}),
    Client(*pypi("launchdarkly-eventsource")),
    Client(*pypi("aiohttp-sse-client"), {**RAISES, "long": "300 KiB", "payloads": TRIMMED}),
    Client(*pypi("aiohttp-sse-client2"), {**RAISES, "long": "300 KiB", "payloads": TRIMMED}),
    Client(*pypi("aiosseclient"), {"long": "300 KiB", "payloads": SPLIT}),
    Client(*crate("eventsource-client")),
    Client(*crate("reqwest-eventsource"), FINAL),
    Client(*crate("eventsource-stream")),
    # It forgets its id with an event that has none, such as the close.
    Client(*crate("sse-client"),
           {**FINAL, "lines": "changed", "drain": "position",
            "payloads": "not several lines, empty lines, blanks around, a line end alone"}),
]
