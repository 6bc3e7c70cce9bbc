"""Bodies of requests that nobody asked for: one answer for one request, and then the next one.

Each method on each path, with each framing, at once, with the body in a later packet, and byte by
byte; behind it a good request on the same connection. What is answered must be what is answered
without a body, and nothing may be left over.
"""

import socket
import time

from support.raw import Gone, Link, frame, post_request, upgrade_request

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "SHOUT"]
PATHS = ["/topics/unasked", "/topics/unasked?mode=longpoll&timeout=0s", "/metrics", "/", "/compare",
         "/altavoz.js", "/page.js", "/healthz", "/readyz", "/nowhere"]
SMUGGLED = b"POST /topics/smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\n\r\nx"
NEXT = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Next: 1\r\n\r\n"
LONG = SMUGGLED * 300
KEPT = "Connection: keep-alive\r\n"


def chunks(body):
    """The body in two chunks, with an extension and trailers."""
    half = len(body) // 2
    return b"".join([b"%x;a=\"b c\"\r\n%s\r\n" % (half, body[:half]),
                     b"%X\r\n%s\r\n" % (len(body) - half, body[half:]),
                     b"00\r\nExpires: never\r\n\r\n"])


def framings(version):
    """(name, header lines, bytes)."""
    sized = [(name, f"Content-Length: {len(body)}\r\n", body) for name, body in (
        ("five bytes", b"hello"), ("an empty line", b"\r\n\r\n"), ("a request", SMUGGLED),
        ("more than a head may have", LONG))]
    if version == "1.0":
        return sized
    chunked = "Transfer-Encoding: chunked\r\n"
    return [*sized, ("chunks", chunked, chunks(b"hello")), ("a request in chunks", chunked, chunks(SMUGGLED)),
            ("long chunks", chunked, chunks(LONG)), ("no chunk but the last", chunked, b"0\r\n\r\n")]


def head_of(method, path, version, lines):
    """The bytes of a request's head."""
    return f"{method} {path} HTTP/{version}\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode()


def answers(link, method):
    """The statuses of two answers; None for one that does not come, and what is left behind them."""
    statuses = []
    try:
        for head_only in (method == "HEAD", False):
            status = link.response(head_only)[0]
            statuses.append(status)
    except (Gone, OSError, ValueError, IndexError):
        statuses.append(None)
    return statuses, rest_of(link)


def rest_of(link):
    """What still comes once we have ended our side."""
    try:
        link.socket.shutdown(socket.SHUT_WR)
        while True:
            link.more()
    except (Gone, OSError):
        return bytes(link.buffer)


def open_link(port):
    """A connection on which each send is a segment."""
    link = Link(port, timeout=8)
    link.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def send_bytes(link, data):
    """Byte by byte, as far as that makes sense."""
    for at in range(len(data)):
        link.socket.send(data[at:at + 1])


def unasked(guard):
    """All of them, on HTTP/1.1 and on a kept connection of HTTP/1.0."""
    report, port = guard.report, guard.node.port
    for version in ("1.1", "1.0"):
        for path in PATHS:
            problems = []
            for method in METHODS:
                problems += compare(port, method, path, version)
            report.check(f"bodies that nobody asked for, HTTP/{version} {path}", not problems,
                         "\n".join(problems[:12]), f"{len(METHODS)} methods")
    report.equal("no body became a publication", published(guard, "smuggled"), 0)
    refused_framings(guard)
    expectations(guard)
    streams_and_sockets(guard)
    guard.after("bodies that nobody asked for")


def compare(port, method, path, version):
    """What differs from the answers without a body."""
    with open_link(port) as link:
        link.send(head_of(method, path, version, KEPT) + NEXT)
        wanted, _ = answers(link, method)
    if wanted == [411, 200]:
        wanted = [200, 200]
    problems, links = [], []
    for name, lines, body in framings(version):
        head = head_of(method, path, version, KEPT + lines)
        whole, later = open_link(port), open_link(port)
        whole.send(head + body + NEXT)
        later.send(head)
        links += [(f"{name}, at once", whole, b""), (f"{name}, later", later, body + NEXT)]
        if len(body) < 200:
            dripped = open_link(port)
            send_bytes(dripped, head + body + NEXT)
            links.append((f"{name}, byte by byte", dripped, b""))
    # The heads are read before the bodies come.
    time.sleep(0.03)
    for name, link, body in links:
        with link:
            if body:
                link.send(body)
            seen, rest = answers(link, method)
            if seen != wanted or rest:
                problems.append(f"{method}, {name}: {seen}, not {wanted}; behind it {rest[:80]!r}")
    return problems


def published(guard, topic):
    """How many publications a topic has kept."""
    return guard.node.request("GET", f"/topics/{topic}?after=earliest")[2].count(b'"offset"')


def refused_framings(guard):
    """400 on every method, and the end of the connection."""
    bad = ["Content-Length: abc", "Content-Length: -1", "Content-Length: 5, 5", "Content-Length:",
           "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 5\r\nContent-Length: 6",
           "Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked",
           "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: gzip",
           "Transfer-Encoding: chunked\r\nContent-Length: 0"]
    bodies = [(lines, b"hello") for lines in bad]
    bodies += [("Transfer-Encoding: chunked", body) for body in (
        b"fffffffffffffffff\r\n", b"-1\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"x\r\n\r\n", b"5\nhello\n")]
    problems = []
    for method in METHODS:
        for path in ("/topics/unasked", "/metrics", "/nowhere"):
            for lines, body in bodies:
                problems += refused(guard.node.port, head_of(method, path, "1.1", lines + "\r\n") + body, method)
    old = head_of("GET", "/healthz", "1.0", KEPT + "Transfer-Encoding: chunked\r\n")
    problems += refused(guard.node.port, old + b"0\r\n\r\n", "GET")
    guard.report.check("framing that must be refused is 400 on every method, and the last", not problems,
                       "\n".join(problems[:12]), f"{len(METHODS)} methods, {len(bodies)} framings")


def refused(port, data, method):
    """What is wrong with the refusal."""
    with open_link(port) as link:
        link.send(data)
        try:
            status, headers, _ = link.response(method == "HEAD")
        except (Gone, OSError) as error:
            return [f"{data[:120]!r}: {error}"]
        rest = rest_of(link)
    if status != 400 or headers.get("connection") != "close" or rest:
        return [f"{data[:120]!r}: {status} {headers.get('connection')} {rest[:60]!r}"]
    return []


def expectations(guard):
    """`Expect: 100-continue` on what needs no body."""
    lines = "Content-Length: 5\r\nExpect: 100-continue\r\n"
    for method, path in (("GET", "/healthz"), ("HEAD", "/"), ("OPTIONS", "/topics/unasked"),
                         ("GET", "/topics/unasked"), ("POST", "/topics/unasked")):
        with open_link(guard.node.port) as link:
            link.send(head_of(method, path, "1.1", lines))
            first = link.response()[0]
            link.send(b"hello" + NEXT)
            guard.report.equal(f"{method} {path} that waits with its body is told to send it",
                               (first, *answers(link, method)), (100, [200, 200], b""))
    with open_link(guard.node.port) as link:
        link.send(head_of("GET", "/nowhere", "1.1", lines))
        status, headers, _ = link.response()
        guard.report.equal("a refusal that nobody sends a body to is the last answer",
                           (status, headers.get("connection")), (404, "close"))
    with open_link(guard.node.port) as link:
        link.send(head_of("GET", "/healthz", "1.1", f"Content-Length: {1 << 21}\r\n"))
        status, headers, _ = link.response()
        guard.report.equal("a body over the bound is refused, and nothing of it is read",
                           (status, headers.get("connection")), (413, "close"))


def streams_and_sockets(guard):
    """What begins behind a body: streams do, WebSockets do not."""
    report, port = guard.report, guard.node.port
    for mode in ("sse", "stream"):
        with open_link(port) as link:
            lines = f"Content-Length: {len(SMUGGLED)}\r\n"
            link.send(head_of("GET", f"/topics/behind?mode={mode}", "1.1", lines))
            link.send(SMUGGLED)
            status = link.response(head_only=True)[0]
            guard.node.request("POST", "/topics/behind", b"news", {"Content-Type": "text/plain"})
            report.check(f"a stream ({mode}) begins behind its request's body",
                         status == 200 and b"news" in link.until(b"news"), f"status {status}")
    body = frame(1, b"from a body")
    with open_link(port) as link:
        link.send(upgrade_request("/topics/frames", f"Content-Length: {len(body)}\r\n") + body)
        report.equal("a handshake with a body is refused", link.response()[0], 400)
    report.equal("and its body is no message", published(guard, "frames"), 0)
    with open_link(port) as link:
        link.send(head_of("GET", "/topics/held?mode=longpoll", "1.1", "Content-Length: 5\r\n") + b"hello")
        differ = guard.node.reaches({"altavoz_long_polls": 1})
        link.socket.shutdown(socket.SHUT_WR)
        gone = guard.node.reaches({"altavoz_long_polls": 0})
        report.equal("a client that goes is noticed while its long poll with a body is held",
                     (differ, gone), ({}, {}))


def half_closed(guard):
    """A client that ends its side behind its request is answered, unless it would have to wait."""
    report, port = guard.report, guard.node.port
    get = "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    for name, data, count in (
            ("a scrape", get.format("/metrics"), 1), ("a poll", get.format("/topics/half"), 1),
            ("a page", get.format("/"), 1), ("a refusal", get.format("/nowhere"), 1),
            ("a bare OPTIONS of HTTP/1.0", "OPTIONS / HTTP/1.0\r\n\r\n", 1),
            ("five requests", get.format("/healthz") * 4 + get.format("/topics/half"), 5),
            ("a post", post_request("/topics/half", b"x").decode(), 1),
            ("a scrape with a body", get.format("/metrics").replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\nab"), 1)):
        with open_link(port) as link:
            link.send(data.encode())
            link.socket.shutdown(socket.SHUT_WR)
            statuses = []
            try:
                while True:
                    statuses.append(link.response()[0])
            except (Gone, OSError):
                pass
            report.equal(f"{name} and FIN: answered", len(statuses), count, str(statuses))
    for mode in ("longpoll", "sse", "stream"):
        with open_link(port) as link:
            link.send(get.format(f"/topics/half?mode={mode}&timeout=100s").encode())
            link.socket.shutdown(socket.SHUT_WR)
            try:
                while True:
                    link.more()
            except (Gone, OSError) as end:
                report.check(f"a reader ({mode}) that ends its side is let go", not isinstance(end, TimeoutError),
                             repr(end))
    guard.after("half-closed connections")
