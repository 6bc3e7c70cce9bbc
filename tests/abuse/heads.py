"""Heads as clients, proxies and health checks of all sorts write them, and what answers say in theirs."""

import email.utils
import time

from support.raw import Gone, Link, frame, post_request, upgrade_request

HOST = b"Host: 127.0.0.1\r\n"


def get(target=b"/healthz", lines=b"", version=b"HTTP/1.1", method=b"GET", host=HOST):
    """The bytes of a request without a body."""
    return b"%s %s %s\r\n%s%s\r\n" % (method, target, version, host, lines)


def post(lines, body=b"hello"):
    """The bytes of a publication with these header lines."""
    return b"POST /topics/heads HTTP/1.1\r\n%s%s\r\n%s" % (HOST, lines, body)


def handshake(target, lines=b""):
    """The bytes of an opening handshake for this target."""
    return upgrade_request("/x").replace(b"/x ", target + b" ", 1).replace(b"\r\n", b"\r\n" + lines, 1)


def taken():
    """(name, bytes, status): what a strict reader might refuse, and must not."""
    five = b"Content-Length: 5\r\n"
    return [
        ("bytes above 7F in a header", get(lines=b"X-City: M\xfcnchen\r\n"), 200),
        ("bytes above 7F in User-Agent, Cookie and Referer",
         get(lines=b"User-Agent: \xff\xfe\r\nCookie: a=\xe9; b=\x80\r\nReferer: http://a/\xf6\r\n"), 200),
        ("bytes above 7F beside a publication", post(five + b"X-City: \xa0\xff\r\n"), 200),
        ("bytes above 7F in a handshake", handshake(b"/topics/heads", b"Cookie: \xff\r\n"), 101),
        ("HTTP/1.2", get(version=b"HTTP/1.2"), 200),
        ("HTTP/1.9", get(version=b"HTTP/1.9"), 200),
        ("an absolute http target", get(b"http://127.0.0.1/healthz"), 200),
        ("an absolute target with escapes", get(b"HTTP://127.0.0.1/topics/%68eads"), 200),
        ("an absolute target with a query", get(b"http://127.0.0.1/readyz?drain=404"), 200),
        ("an absolute target without a path", get(b"http://127.0.0.1"), 200),
        ("an absolute target with a query and no path", get(b"http://127.0.0.1?x=/"), 200),
        ("a WebSocket by its URL", handshake(b"ws://127.0.0.1/topics/heads"), 101),
        ("a WebSocket by its URL in capitals", handshake(b"WS://127.0.0.1/topics/heads"), 101),
        ("a WebSocket by its URL with TLS", handshake(b"wss://127.0.0.1/topics/heads"), 101),
        ("a WebSocket by the URL of its page", handshake(b"http://127.0.0.1/topics/heads"), 101),
        ("OPTIONS *", get(b"*", method=b"OPTIONS"), 200),
        ("OPTIONS of HTTP/1.0 without Host", get(b"/", b"", b"HTTP/1.0", b"OPTIONS", b""), 200),
        ("GET of HTTP/1.0 without Host", get(b"/", b"", b"HTTP/1.0", host=b""), 200),
        ("HEAD of HTTP/1.0 with an empty Host", get(version=b"HTTP/1.0", method=b"HEAD", host=b"Host:\r\n"), 200),
        ("an empty Host", get(host=b"Host:\r\n"), 200),
        ("empty lines before the request", b"\r\n\r\n" + get(), 200),
        ("empty values", get(lines=b"Accept:\r\nCookie: \r\nOrigin-Agent-Cluster:\t\r\n"), 200),
        ("values without blanks", get(lines=b"Accept:*/*\r\nConnection:keep-alive\r\n"), 200),
        ("names in any letters", b"GET /healthz HTTP/1.1\r\nhOsT: 127.0.0.1\r\nCONNECTION: Keep-Alive\r\n\r\n", 200),
        ("an offer of HTTP/2", get(lines=b"Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                                   b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"), 200),
        ("an offer of HTTP/2 beside a publication",
         post(five + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"), 200),
        ("an offer of TLS", get(lines=b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"), 200),
        ("TE: trailers", get(lines=b"TE: trailers, deflate;q=0.5\r\nConnection: TE\r\n"), 200),
        ("a ping of Keep-Alive and Proxy-Connection",
         get(lines=b"Keep-Alive: timeout=5, max=100\r\nProxy-Connection: keep-alive\r\n"), 200),
        ("Content-Length with blanks", post(b"Content-Length:  \t5 \r\n"), 200),
        ("Content-Length with zeros", post(b"Content-Length: 005\r\n"), 200),
        ("Transfer-Encoding in capitals", post(b"Transfer-Encoding: Chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"), 200),
        ("blanks before a chunk's extension",
         post(b"Transfer-Encoding: chunked\r\n", b"5 \t; a = b\r\nhello\r\n0\r\n\r\n"), 200),
        ("Expect in capitals with the body behind it", post(five + b"Expect: 100-Continue\r\n"), 100),
        ("Expect without a body", get(lines=b"Expect: 100-continue\r\n"), 200),
        ("Content-Encoding: identity", post(five + b"Content-Encoding: identity\r\n"), 200),
        ("Content-Encoding: identity twice", post(five + b"Content-Encoding: Identity, identity\r\n"), 200),
        ("an empty Content-Encoding", post(five + b"Content-Encoding:\r\n"), 200),
        ("a Range", get(lines=b"Range: bytes=0-1\r\n"), 200),
        ("an If-Range and dates", get(lines=b"If-Modified-Since: yesterday\r\nIf-Range: \"a\"\r\n"), 200),
        ("forty cookies", get(lines=b"".join(b"Cookie: a%d=%s\r\n" % (n, b"x" * 200) for n in range(40))), 200),
        ("one cookie of 12 KiB", get(lines=b"Cookie: a=%s\r\n" % (b"x" * 12_288)), 200),
    ]


def refused():
    """(name, bytes, status, header lines that the answer must have)."""
    return [
        ("bytes above 7F in a target", get(b"/topics/\xff"), 400, {}),
        ("bytes above 7F in a header's name", get(lines=b"X-\xff: 1\r\n"), 400, {}),
        ("bytes above 7F in Host", get(host=b"Host: \xff\r\n"), 400, {}),
        ("bytes above 7F in Content-Length", post(b"Content-Length: 5\xff\r\n"), 400, {}),
        ("blanks behind a chunk's size",
         post(b"Transfer-Encoding: chunked\r\n", b"5 \r"), 400, {}),
        ("a control character in a value", get(lines=b"X-A: a\x01b\r\n"), 400, {}),
        ("HTTP/2.1", get(version=b"HTTP/2.1"), 505, {}),
        ("HTTP/1.10", get(version=b"HTTP/1.10"), 400, {}),
        ("a handshake by the URL of elsewhere", handshake(b"ws://evil.example/topics/heads"), 403, {}),
        ("a target with a user", get(b"http://a@127.0.0.1/healthz"), 400, {}),
        ("another scheme", get(b"ftp://127.0.0.1/healthz"), 400, {}),
        ("OPTIONS * with a query", get(b"*?a", method=b"OPTIONS"), 400, {}),
        ("GET *", get(b"*"), 400, {}),
        ("PUT", get(b"/topics/heads", method=b"PUT"), 405, {"allow": "GET, HEAD, POST, OPTIONS"}),
        ("TRACE", get(b"/metrics", method=b"TRACE"), 405, {"allow": "GET, HEAD, OPTIONS"}),
        ("a method in small letters", get(method=b"get"), 501, {}),
        ("a method that nobody knows", get(method=b"SHOUT"), 501, {}),
        ("CONNECT", get(b"127.0.0.1:80", method=b"CONNECT"), 501, {}),
        ("a content coding", post(b"Content-Length: 1\r\nContent-Encoding: gzip\r\n", b"x"), 415,
         {"accept-encoding": "identity"}),
        ("another expectation on GET", get(lines=b"Expect: wonders\r\n"), 417, {}),
        ("a handshake of another version",
         handshake(b"/topics/heads").replace(b"Version: 13", b"Version: 8"), 426,
         {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}),
    ]


def run(guard):
    """Each at once and byte by byte."""
    report, port = guard.report, guard.node.port
    for name, data, status in taken():
        seen = {status_of(port, pieces)[0] for pieces in ([data], drops(data))}
        report.equal(f"{name}: {status}", seen, {status})
    for name, data, status, lines in refused():
        problems = []
        for pieces in ([data], drops(data)):
            seen, headers = status_of(port, pieces)
            wrong = {key: headers.get(key) for key in lines if headers.get(key) != lines[key]}
            if seen != status or wrong:
                problems.append(f"{seen} {wrong}")
        report.check(f"{name}: {status}", not problems, "\n".join(problems))
    dates(guard)
    opaque_to_others(guard)
    guard.after("heads of all sorts")


def drops(data):
    """Byte by byte, where that is not too many."""
    return [data[at:at + 1] for at in range(len(data))] if len(data) < 1000 else [data]


def status_of(port, pieces):
    """Status and headers of the first answer; (None, {}) without one."""
    with Link(port, timeout=8) as link:
        link.socket.setsockopt(6, 1, 1)  # TCP_NODELAY: each piece is a segment
        try:
            for piece in pieces:
                link.socket.sendall(piece)
            return link.response(head_only=True)[:2]
        except (Gone, OSError, ValueError, IndexError):
            return None, {}


def dates(guard):
    """`Date` on every sort of answer, the shared ones too: the present second."""
    waiting = [Link(guard.node.port, timeout=8) for _ in range(3)]
    for link in waiting:
        link.send(get(b"/topics/dates?mode=longpoll"))
    guard.node.reaches({"altavoz_long_polls": 3})
    sorts = [
        ("a page", get(b"/")), ("a health check", get()), ("a head", get(method=b"HEAD")),
        ("a scrape", get(b"/metrics")), ("a preflight", get(b"*", method=b"OPTIONS")), ("404", get(b"/nowhere")),
        ("no request", b"nonsense\r\n\r\n"), ("a poll", get(b"/topics/dates")),
        ("an event stream", get(b"/topics/dates?mode=sse")), ("a stream", get(b"/topics/dates?mode=stream")),
        ("a handshake", upgrade_request("/topics/dates")), ("a publication", post_request("/topics/dates", b"x")),
    ]
    for name, data in sorts:
        with Link(guard.node.port, timeout=8) as link:
            check_date(guard.report, name, link, data)
    for index, link in enumerate(waiting):
        with link:
            check_date(guard.report, f"a long poll that others share, {index + 1}", link, b"")


def check_date(report, name, link, data):
    """The date lies between asking and being answered, in whole seconds, and in the one form."""
    # A long poll was answered before: the publication is one of the requests above it.
    begin = int(time.time()) - (1 if data else 8)
    link.send(data)
    text = link.response(head_only=True)[1].get("date", "")
    moment = email.utils.parsedate_to_datetime(text).timestamp() if text else 0
    is_right = begin <= moment <= time.time() and email.utils.formatdate(moment, usegmt=True) == text
    report.check(f"{name} has its date", is_right, f"{text!r}")


def opaque_to_others(guard):
    """A value that nobody reads changes nothing for those that are read beside it."""
    with Link(guard.node.port, timeout=8) as link:
        link.send(handshake(b"/topics/opaque", b"Connection: \xff, keep-alive\r\nX-A: \xfe\r\n"))
        status = link.response(head_only=True)[0]
        link.send(frame(1, b"hello"))
        guard.report.equal("a WebSocket works beside opaque bytes", (status, link.frame()), (101, (True, 1, b"hello")))
