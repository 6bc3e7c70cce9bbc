#!/usr/bin/env python3
"""Sets other people's clients against a running node: `run.py BASE_URL`.

Contract of a client, `CLIENT URL N [--publish TEXT]`, all of it lines on standard output:

    client NAME VERSION                     first
    open                                    it gets all that is published from now on
    text SHA256 LENGTH | binary SHA256 LENGTH   one a message, in the order they came
    closed CODE                             last; the code that the node answered

After N messages it publishes TEXT, if told to, waits for its own copy (a sender receives its own
message too), closes with 1000 and exits with 0 if the node answered 1000. A client of HTTP
publishes by POST, and its last line is `closed` alone.

The runner starts one client at a time, waits for `open`, publishes each of `PAYLOADS` by POST,
and compares. A client whose library is not installed here is skipped and says so.
"""

import argparse
import hashlib
import http.client
import json
import os
import queue
import secrets
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from support import children, places  # noqa: E402
from support.ledger import Publisher, Wrong  # noqa: E402
from support.payloads import octets, text, value  # noqa: E402
from support.report import Report  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
LWS = os.path.join(places.CACHE, "clients", "lws")
JETTY_JARS = [f"/usr/share/java/jetty9-{name}.jar" for name in (
    "websocket-api", "websocket-client", "websocket-common", "client", "http", "io", "util")]
PUBLISHED = "from the client: \u00a1hola! \U0001f4e2"


WORDS = "\u00a1Atenci\u00f3n! \U0001f4e2 e\u0301 \u0928\u093f \ud55c\uae00 \U00010348 \U0001f469\u200d\U0001f680"
PAYLOADS = [
    text("a short text", "hello"),
    text("multi-byte text", WORDS),
    text("an empty text", ""),
    octets("every byte value", bytes(range(256))),
    octets("empty binary", b""),
    value("JSON", json.dumps({"n": 1, "word": "a\u00f1o"}, ensure_ascii=False)),
    # Over 64 KiB: the 64-bit form of a frame's length, and over usual buffers.
    text("70 KiB of text", ("0123456789\u00e9\u20ac\U0001f4e2" * 3770).encode()[:71676].decode()),
    octets("70 KiB of binary", hashlib.shake_256(b"altavoz").digest(70 * 1024)),
    text("125 bytes", "x" * 125),
    text("126 bytes", "x" * 126),
    octets("65,535 bytes", b"x" * 65535),
    octets("65,536 bytes", b"x" * 65536),
]


def python_client(module, script):
    """A client in Python with the library `module`."""
    interpreter = places.VENV_PYTHON if os.access(places.VENV_PYTHON, os.X_OK) else sys.executable
    probe = subprocess.run([interpreter, "-c", f"import {module}"], capture_output=True, check=False)
    if probe.returncode:
        return None, f"Python module {module} is missing"
    return [interpreter, os.path.join(HERE, script)], None


def node_client(package, script):
    """A client in Node with the npm package `package`."""
    if not shutil.which("node"):
        return None, "node is missing"
    if not os.path.isdir(os.path.join(HERE, "node_modules", package)):
        return None, f"npm package {package} is missing"
    return ["node", os.path.join(HERE, script)], None


def java_client(script, jars=()):
    """A client as one Java source file (JEP 330), with `jars`."""
    if not shutil.which("java") or not shutil.which("javac"):
        return None, "a JDK is missing"
    missing = [jar for jar in jars if not os.path.exists(jar)]
    if missing:
        return None, f"{missing[0]} is missing"
    path = ["-cp", ":".join(jars)] if jars else []
    return ["java", *path, os.path.join(HERE, script)], None


def lws_client():
    """The C client; compiled where it is older than its source."""
    source = os.path.join(HERE, "lws.c")
    if not shutil.which("cc"):
        return None, "cc is missing"
    if not os.path.exists(LWS) or os.path.getmtime(LWS) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(LWS), exist_ok=True)
        build = subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-Wno-deprecated-declarations",
                                "-o", LWS, source, "-lwebsockets", "-lcrypto"],
                               capture_output=True, text=True, check=False)
        if build.returncode:
            return None, "lws.c does not compile (libwebsockets-dev?): " + build.stderr[-300:]
    return [LWS], None


def ruby_client():
    """The Ruby client."""
    probe = ["ruby", "-e", "require 'eventmachine'; require 'faye/websocket'"]
    if not shutil.which("ruby"):
        return None, "ruby is missing"
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        return None, "ruby-eventmachine or ruby-faye-websocket is missing"
    return ["ruby", os.path.join(HERE, "faye.rb")], None


def browser_client(browser, programs):
    """A browser with the page of browser.py."""
    if not any(shutil.which(program) for program in programs):
        return None, f"{programs[0]} is missing"
    return [sys.executable, os.path.join(HERE, "browser.py"), browser], None


def curl_client(way):
    """curl, read line by line."""
    if not shutil.which("curl"):
        return None, "curl is missing"
    return [sys.executable, os.path.join(HERE, "curl.py"), way], None


def plain_client(script):
    """A client with nothing but Python's standard library."""
    return [sys.executable, os.path.join(HERE, script)], None


SOCKETS = {
    "ws": lambda: node_client("ws", "node_ws.js"),
    "websocket-node": lambda: node_client("websocket", "node_websocket.js"),
    "websockets": lambda: python_client("websockets", "py_websockets.py"),
    "tornado": lambda: python_client("tornado", "py_tornado.py"),
    "aiohttp": lambda: python_client("aiohttp", "py_aiohttp.py"),
    "libwebsockets": lws_client,
    "java": lambda: java_client("JavaHttp.java"),
    "jetty": lambda: java_client("JettyClient.java", JETTY_JARS),
    "eventmachine": ruby_client,
    "chromium": lambda: browser_client("chromium", ["chromium"]),
    "firefox": lambda: browser_client("firefox", ["firefox-esr", "firefox"]),
}
# Their connection is held as a WebSocket's is.
STREAMS = {
    "httpx-sse": lambda: python_client("httpx_sse", "py_httpx_sse.py"),
    "sseclient-py": lambda: python_client("sseclient", "py_sseclient.py"),
    "curl-sse": lambda: curl_client("sse"),
    "curl-stream": lambda: curl_client("stream"),
}
# They ask again and again.
POLLS = {
    "httpx-longpoll": lambda: python_client("httpx", "py_httpx.py"),
    "curl-longpoll": lambda: curl_client("longpoll"),
    "curl-etag": lambda: curl_client("etag"),
    "urllib-etag": lambda: plain_client("py_etag.py"),
}
CLIENTS = {**SOCKETS, **STREAMS, **POLLS}


class Client:
    """One client program; its lines come by a queue, `None` at the end."""

    def __init__(self, command, report):
        self.report = report
        self.lines = queue.Queue()
        self.errors = []
        self.child = children.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read_lines, daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()

    def _read_lines(self):
        for line in self.child.stdout:
            self.report.debug(f"< {line.rstrip()}")
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def _read_errors(self):
        for line in self.child.stderr:
            self.report.debug(f"! {line.rstrip()}")
            self.errors.append(line.rstrip())

    def line(self, deadline):
        """The next line; raises `Failure` where none comes until `deadline`."""
        try:
            line = self.lines.get(timeout=max(0.01, deadline - time.monotonic()))
        except queue.Empty:
            raise Failure("no further line before the time was up") from None
        if line is None:
            raise Failure(f"the client ended with code {self.child.wait()}")
        return line

    def stop(self):
        """Ends it; SIGTERM first, since browser.py has a browser to end."""
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Failure(Exception):
    """Why a client did not pass."""


def expect(client, wanted, what, deadline):
    """The client's next line must be `wanted`."""
    line = client.line(deadline)
    if line != wanted:
        raise Failure(f"{what}: expected {wanted!r}\n{' ' * len(what)}       saw {line!r}")


def message_line(payload):
    """The line that a client prints for a message."""
    kind = "binary" if payload.kind == "binary" else "text"
    return f"{kind} {hashlib.sha256(payload.body).hexdigest()} {len(payload.body)}"


def drive(name, client, publisher, topic, deadline):
    """The whole exchange with one client; returns its name and version."""
    title = client.line(deadline).removeprefix("client ")
    expect(client, "open", "first line", deadline)
    for payload in PAYLOADS:
        answer = publisher.post(topic, payload)
        # Who asks again and again may be between two questions.
        if answer.get("subscribers") != 1 and name not in POLLS:
            raise Failure(f"POST of {payload.name}: one subscriber expected in {answer}")
        expect(client, message_line(payload), payload.name, deadline)
    own = text("the client's own message", PUBLISHED)
    expect(client, message_line(own), own.name, deadline)
    expect(client, "closed 1000" if name in SOCKETS else "closed", "closing", deadline)
    code = client.child.wait(max(0.1, deadline - time.monotonic()))
    if code != 0:
        raise Failure(f"the client ended with code {code}")
    return title


def run_client(name, command, base, publisher, report, timeout):
    """Starts, drives and judges one client."""
    topic = f"clients/{name}-{secrets.token_hex(4)}"
    count = str(len(PAYLOADS))
    url = f"{'ws' if name in SOCKETS else 'http'}://{base.netloc}/topics/{topic}"
    command = [*command, url, count, "--publish", PUBLISHED]
    report.debug("$ " + " ".join(command))
    begin = time.monotonic()
    client = Client(command, report)
    try:
        title = drive(name, client, publisher, topic, begin + timeout)
        report.ok(title, f"{count} messages and its own, {time.monotonic() - begin:.1f} s")
    except (Failure, Wrong, OSError, ValueError, subprocess.TimeoutExpired,
            http.client.HTTPException) as failure:
        report.fail(name, f"{failure}\n" + "\n".join(client.errors[-15:]))
        publisher.close()
    finally:
        client.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base_url", help="such as http://127.0.0.1:8000")
    parser.add_argument("--only", action="append", choices=CLIENTS, metavar="NAME",
                        help=f"repeatable; of {', '.join(CLIENTS)}")
    parser.add_argument("--timeout", type=float, default=30, help="seconds a client (30)")
    parser.add_argument("-v", "--verbose", action="store_true", help="every line of the clients")
    options = parser.parse_args()
    children.exit_on_signals()
    report = Report(options.verbose)
    base = urllib.parse.urlsplit(options.base_url)
    publisher = Publisher(base.port, host=base.hostname)
    for name in options.only or CLIENTS:
        command, missing = CLIENTS[name]()
        if missing:
            report.skip(name, f"{missing}: {places.SETUP_HINT}")
        else:
            run_client(name, command, base, publisher, report, options.timeout)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
