#!/usr/bin/env python3
"""What a checker that others wrote from the RFCs and registries says of a node's answers:
`run.py BINARY`.

`httplint` reads one exchange of each sort: every path and method, refusals, streams, handshakes,
preflights. `redbot` asks for resources itself, and again in other ways: conditionally, by ranges, with other
representations. What it complains about and is right as it is stands in `RIGHT`, and its reason in
docs/testing.md.
"""

import configparser
import os
import sys
import time

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from support import places, sections  # noqa: E402
from support.raw import Gone, Link, post_request, upgrade_request  # noqa: E402
from support.sections import Section  # noqa: E402

RUN_SECONDS_MAX = 120
ALLOWED = "http://app.example"
FLAGS = ("--allow-origin", ALLOWED, "--echo")

# Complaints that are answered in docs/testing.md: (note, in which exchanges).
RIGHT = {
    "CSP_UNSAFE_INLINE": ("GET /", "HEAD /", "a page of a topic"),
    "REQUEST_HDR_IN_RESPONSE": ("a publication with a coding",),
    "STATUS_BAD_REQUEST": ("GET /topics/lint?mode=x", "HEAD /topics/lint?mode=x", "a wrong length"),
    "STATUS_VERSION_NOT_SUPPORTED": ("HTTP/2",),
}
# What must be said in praise, so that a checker that says nothing is noticed.
PRAISE = {"CL_CORRECT", "DATE_CORRECT"}


def request(line, *lines):
    """The bytes of a request without a body."""
    lines = ["Host: 127.0.0.1", "User-Agent: conformance", *lines]
    return "\r\n".join([f"{line} HTTP/1.1", *lines, "", ""]).encode()


def exchanges(position):
    """(name, bytes of the request, whether the answer ends by itself)."""
    origin = f"Origin: {ALLOWED}"
    own = [(f"{method} {path}", request(f"{method} {path}"), True)
           for path in ("/", "/compare", "/altavoz.js", "/page.js", "/healthz", "/readyz", "/metrics",
                        "/echo", "/nowhere",
                        "/topics/lint", "/topics/lint?mode=poll&after=earliest",
                        "/topics/lint?mode=longpoll&timeout=0s", "/topics/lint?mode=x")
           for method in ("GET", "HEAD", "OPTIONS", "PUT", "SHOUT")]
    return own + [
        ("OPTIONS *", request("OPTIONS *"), True),
        ("a page of a topic", request("GET /topics/lint", "Accept: text/html"), True),
        ("a poll with a tag", request("GET /topics/lint", f'If-None-Match: "{position}"'), True),
        ("a long poll with a tag", request("GET /topics/lint?mode=longpoll&timeout=0s",
                                           f'If-None-Match: W/"{position}"'), True),
        ("a poll from another origin", request("GET /topics/lint", origin), True),
        ("a script from another origin", request("GET /altavoz.js", origin), True),
        ("a poll from an origin that may not", request("GET /topics/lint", "Origin: http://evil.example"), True),
        ("a preflight", request("OPTIONS /topics/lint", origin, "Access-Control-Request-Method: POST",
                                "Access-Control-Request-Headers: content-type"), True),
        ("a publication", post_request("/topics/lint", b"hello"), True),
        ("a publication from another origin", post_request("/topics/lint", b"hello", extra=origin + "\r\n"), True),
        ("a publication with a coding",
         post_request("/topics/lint", b"x", extra="Content-Encoding: gzip\r\n"), True),
        ("a publication without a length", request("POST /topics/lint"), True),
        ("a publication that is too long", request("POST /topics/lint", f"Content-Length: {1 << 30}"), True),
        ("another expectation", request("GET /healthz", "Expect: wonders"), True),
        ("a wrong length", request("GET /healthz", "Content-Length: x"), True),
        ("HTTP/2", b"GET / HTTP/2.0\r\n\r\n", True),
        ("a key where there is none", request("GET /topics/lint", "Authorization: Bearer x"), True),
        ("an event stream", request("GET /topics/lint?mode=sse"), False),
        ("the head of an event stream", request("HEAD /topics/lint?mode=sse"), True),
        ("an event stream from another origin", request("GET /topics/lint?mode=sse", origin), False),
        ("a stream", request("GET /topics/lint?mode=stream"), False),
        ("a handshake", upgrade_request("/topics/lint"), True),
        ("a handshake of another version",
         upgrade_request("/topics/lint").replace(b"Version: 13", b"Version: 8"), True),
    ]


def messages(node_and_report):
    """Each exchange through httplint."""
    node, report = node_and_report
    answer = node.request("POST", "/topics/lint", b"hello", {"Content-Type": "text/plain"})[2].decode()
    position = answer.split('"position":"')[1].split('"')[0]
    praised, answered = set(), set()
    for name, data, ends in exchanges(position):
        try:
            notes = lint(node.port, data, ends)
        except (Gone, OSError, ValueError, IndexError) as error:
            report.fail(name, repr(error))
            continue
        praised |= {note for level, note, _ in notes if level == "good"}
        judge(report, name, notes, answered)
    report.check("what is right was said as well", PRAISE <= praised, f"{PRAISE - praised} is missing")
    settle(report, answered)


def judge(report, name, notes, answered):
    """One check: no complaint that is not answered."""
    complaints = [(note, text) for level, note, text in notes if level in ("bad", "warning")]
    open_ones = [f"{note}: {text}" for note, text in complaints if not is_right(name, note)]
    answered |= {note for note, _ in complaints if is_right(name, note)}
    report.check(name, not open_ones, "\n".join(open_ones))


def is_right(name, note):
    """Whether docs/testing.md answers this complaint about this exchange."""
    return note in RIGHT and any(name.startswith(start) for start in RIGHT[note])


def settle(report, answered):
    """An answer to a complaint that nobody makes is out of date."""
    stale = set(RIGHT) - answered
    report.check("each answered complaint was made", not stale, f"{stale} was not")


def lint(port, data, ends):
    """What httplint says of the answer: (level, note, text)."""
    from httplint import HttpRequestLinter, HttpResponseLinter  # pylint: disable=import-outside-toplevel
    asked = HttpRequestLinter()
    fill(asked, data)
    told = HttpResponseLinter(start_time=time.time())
    told.request = asked
    told.is_head_response = asked.method == "HEAD"
    with Link(port, timeout=8) as link:
        link.send(data)
        head = link.until(b"\r\n\r\n")
        lines = fields(head)
        version, status, phrase = head.split(b"\r\n")[0].split(b" ", 2)
        told.process_response_topline(version[5:], status, phrase)
        told.process_headers(lines)
        if told.can_have_content():
            headers = {name.lower().decode(): value.decode() for name, value in lines}
            told.feed_content(link.body(headers) if ends else b"")
        told.finish_content(ends)
    return list(flat(told.notes))


def fill(linter, data):
    """Gives a request to its linter."""
    head, _, body = data.partition(b"\r\n\r\n")
    linter.process_request_topline(*head.split(b"\r\n")[0].split(b" "))
    linter.process_headers(fields(head))
    linter.feed_content(body)
    linter.finish_content(True)


def fields(head):
    """The header lines as pairs."""
    return [tuple(part.strip() for part in line.split(b":", 1))
            for line in head.split(b"\r\n")[1:] if line]


def flat(notes):
    """Notes and what hangs below them."""
    for note in notes:
        yield note.level.value, type(note).__name__, str(note.summary)
        yield from flat(note.subnotes)


def resources(node_and_report):
    """Each resource through redbot, which asks several times in different ways."""
    node, report = node_and_report
    node.request("POST", "/topics/lint", b"hello", {"Content-Type": "text/plain"})
    paths = ["/", "/altavoz.js", "/page.js", "/healthz", "/metrics", "/topics/lint",
             "/topics/lint?mode=longpoll&timeout=0s"]
    for path, resource in droids(node.port, paths):
        judge(report, f"GET {path}, asked in several ways", list(flat(resource.response.notes)), set())
        if path.startswith("/topics"):
            report.check(f"GET {path}: its tag is good for If-None-Match", resource.inm_support)


def droids(port, paths):
    """These resources when redbot has looked at all of them."""
    import thor  # pylint: disable=import-outside-toplevel
    from redbot.resource import HttpResource  # pylint: disable=import-outside-toplevel
    config = configparser.ConfigParser()
    config.read_dict({"redbot": {"enable_local_access": "True"}})
    seen, waiting = [], set(paths)
    for path in paths:
        resource = HttpResource(config["redbot"])
        resource.set_request(f"http://127.0.0.1:{port}{path}")

        def done(path=path):
            waiting.discard(path)
            if not waiting:
                thor.stop()
        resource.on("check_done", done)
        seen.append((path, resource))
        resource.check()
    thor.run()
    return seen


def skipped(missing):
    """The section where the checker is not installed."""
    return lambda _, report: report.skip(f"{missing} reads the node's answers",
                                         f"{missing} is missing: {places.SETUP_HINT}")


def section(name, run, checker):
    """The section, if its checker is there."""
    try:
        __import__(checker)
    except ImportError:
        return Section(name, skipped(checker), alone=True)
    return Section(name, run, FLAGS)


if __name__ == "__main__":
    places.use_venv()
    sys.exit(sections.main(__doc__.splitlines()[0],
                           [section("messages", messages, "httplint"), section("resources", resources, "redbot")],
                           RUN_SECONDS_MAX, lambda node, report: (node, report)))
