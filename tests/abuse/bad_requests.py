"""Requests that are wrong in one way each, and the status that each must get."""

from support.raw import Gone, Link, error_of, post_request, upgrade_request

MIB = 1 << 20
HOST = "Host: 127.0.0.1\r\n"


def get(target, headers=HOST, version="HTTP/1.1", method="GET"):
    """The bytes of a request without a body."""
    return f"{method} {target} {version}\r\n{headers}\r\n".encode("latin-1")


def post(headers, body=b"", target="/topics/bad"):
    """The bytes of a POST with exactly these headers."""
    return f"POST {target} HTTP/1.1\r\n{HOST}{headers}\r\n".encode("latin-1") + body


def upgrade(without=(), target="/topics/bad", **changes):
    """An opening handshake with some headers left out or changed (`_` for `-` in names)."""
    lines = upgrade_request(target).decode().split("\r\n")
    for name in without:
        lines = [line for line in lines if not line.lower().startswith(name.lower() + ":")]
    for name, value in changes.items():
        name = name.replace("_", "-")
        lines = [f"{name}: {value}" if line.lower().startswith(name.lower() + ":") else line
                 for line in lines]
    return "\r\n".join(lines).encode("latin-1")


def cases():
    """(name, bytes, allowed statuses, header that the answer must have)."""
    return [*framing_cases(), *target_cases(), *method_cases(), *body_cases(), *size_cases(),
            *upgrade_cases(), *origin_cases()]


def framing_cases():
    """Heads that are no HTTP, or that two readers could read differently."""
    return [
        ("no HTTP at all", b"hello\r\n\r\n", {400}, None),
        ("a request line of two words", b"GET /healthz\r\n" + HOST.encode() + b"\r\n", {400}, None),
        ("a version in lower case", get("/healthz", version="http/1.1"), {400, 505}, None),
        ("HTTP/2.0", get("/healthz", version="HTTP/2.0"), {505, 400}, None),
        ("HTTP/3.7", get("/healthz", version="HTTP/3.7"), {505, 400}, None),
        ("the HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {505, 400}, None),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64, {400}, None),
        ("no Host", get("/healthz", ""), {400}, None),
        ("two Hosts", get("/healthz", HOST + HOST), {400}, None),
        ("a space before the colon", get("/healthz", HOST + "X-A : b\r\n"), {400}, None),
        ("a folded header", get("/healthz", HOST + "X-A: b\r\n c\r\n"), {400}, None),
        ("a header without a colon", get("/healthz", HOST + "nonsense\r\n"), {400}, None),
        ("NUL in a header", get("/healthz", HOST + "X-A: a\0b\r\n"), {400}, None),
        ("a bare CR in a header", get("/healthz", HOST + "X-A: a\rb\r\n"), {400}, None),
        ("length and chunked together",
         post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), {400}, None),
        ("two lengths", post("Content-Length: 1\r\nContent-Length: 2\r\n", b"ab"), {400}, None),
        ("a negative length", post("Content-Length: -1\r\n"), {400}, None),
        ("a length with a plus", post("Content-Length: +1\r\n", b"a"), {400}, None),
        ("a length that is no number", post("Content-Length: ten\r\n"), {400}, None),
        ("a length beyond 64 bits", post(f"Content-Length: {10 ** 30}\r\n"), {400, 413}, None),
        ("an unknown transfer coding", post("Transfer-Encoding: gzip\r\n"), {501, 400}, None),
        ("chunked not last", post("Transfer-Encoding: chunked, gzip\r\n"), {501, 400}, None),
        ("a chunk size that is no number",
         post("Transfer-Encoding: chunked\r\n", b"zz\r\nab\r\n0\r\n\r\n"), {400}, None),
    ]


def target_cases():
    """Targets that name no topic and no page."""
    return [
        ("a path that is not there", get("/nope"), {404}, None),
        ("a target without a slash", get("topics/x"), {400}, None),
        ("an empty topic", get("/topics/"), {400}, None),
        ("an empty segment", get("/topics/a//b"), {400}, None),
        ("a dot segment", get("/topics/a/../b"), {400}, None),
        ("a dot segment in disguise", get("/topics/a/%2e%2E/b"), {400}, None),
        ("a percent sign without digits", get("/topics/%zz"), {400}, None),
        ("a topic that is no UTF-8", get("/topics/%ff%fe"), {400}, None),
        ("NUL in a topic", get("/topics/a%00b"), {400}, None),
        ("a line feed in a topic", get("/topics/a%0ab"), {400}, None),
        ("a topic of 256 bytes", get("/topics/" + "t" * 256), {400}, None),
        ("two modes", get("/topics/bad?mode=poll&mode=poll"), {400}, None),
        ("a right position before one that is none", get("/topics/bad?after=a:1&after=a"), {400}, None),
        ("a position that is none", get("/topics/bad?mode=poll&after=nonsense"), {400}, None),
        ("an unknown mode", get("/topics/bad?mode=telepathy"), {400}, None),
        ("a timeout without a unit", get("/topics/bad?mode=longpoll&timeout=5"), {400}, None),
    ]


def method_cases():
    """Methods that a resource does not know."""
    return [
        ("DELETE of a topic", get("/topics/bad", method="DELETE"), {405}, "allow"),
        ("PUT of a topic", post("Content-Length: 0\r\n").replace(b"POST", b"PUT", 1), {405}, "allow"),
        ("POST to /healthz", post("Content-Length: 0\r\n", target="/healthz"), {405}, "allow"),
        ("an unknown method", get("/topics/bad", method="SHOUT"), {501, 405}, None),
    ]


def body_cases():
    """Bodies that are not taken, and expectations that are not met."""
    return [
        ("a POST without a length", post(""), {411}, None),
        ("a compressed body", post("Content-Encoding: gzip\r\nContent-Length: 1\r\n", b"x"), {415}, None),
        ("another expectation", post("Expect: wonders\r\nContent-Length: 1\r\n", b"x"), {417}, None),
        ("text that is no UTF-8", post_request("/topics/bad", b"\xff\xfe", "text/plain"), {400}, None),
        ("JSON that is no UTF-8", post_request("/topics/bad", b'"\xff"', "application/json"), {400}, None),
        ("JSON that is none", post_request("/topics/bad", b"{", "application/json"), {400}, None),
    ]


def size_cases():
    """Just over a limit."""
    many = "".join(f"X-{n}: 1\r\n" for n in range(64))
    chunk = b"%x\r\n%s\r\n" % (MIB + 1, b"x" * (MIB + 1))
    return [
        ("a body announced over 1 MiB", post(f"Content-Length: {MIB + 1}\r\n"), {413}, None),
        ("a chunked body over 1 MiB", post("Transfer-Encoding: chunked\r\n", chunk), {413}, None),
        ("a head over 16 KiB", get("/healthz", HOST + f"X-A: {'a' * 17000}\r\n"), {431}, None),
        ("a target over 16 KiB", get("/topics/" + "t" * 17000), {431, 414, 400}, None),
        ("65 headers", get("/healthz", HOST + many), {431}, None),
    ]


def upgrade_cases():
    """Opening handshakes that are wrong (RFC 6455 §4.2.1)."""
    return [
        ("an upgrade of version 8", upgrade(Sec_WebSocket_Version="8"), {426}, "sec-websocket-version"),
        ("an upgrade without a version", upgrade(["Sec-WebSocket-Version"]), {426, 400}, None),
        ("an upgrade without a key", upgrade(["Sec-WebSocket-Key"]), {400}, None),
        ("a key that is no base64", upgrade(Sec_WebSocket_Key="!" * 24), {400}, None),
        ("a key of 15 bytes", upgrade(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAA"), {400}, None),
        ("an upgrade of HTTP/1.0", upgrade().replace(b"HTTP/1.1", b"HTTP/1.0", 1), {400, 426, 505}, None),
        ("an upgrade with a mode", upgrade(target="/topics/bad?mode=poll"), {400}, None),
        ("an upgrade by POST", upgrade().replace(b"GET", b"POST", 1), {400, 405, 411}, None),
        ("an upgrade of a page that is none", upgrade(target="/nope"), {404}, None),
    ]


def origin_cases():
    """Other origins, and names that a rebound DNS would bring (an open node on loopback)."""
    origins = ["null", "http://evil.example", "http://127.0.0.1.evil.example",
               "http://evil.example:80@127.0.0.1", "http://localhost.evil.example", "127.0.0.1"]
    sockets = [(f"an upgrade from {origin}", upgrade_request("/topics/bad", f"Origin: {origin}\r\n"),
                {403, 400}, None) for origin in origins]
    return [
        *sockets,
        ("a POST from another origin",
         post_request("/topics/bad", b"x", extra="Origin: http://evil.example\r\n"), {403}, None),
        ("an event stream from another origin",
         get("/topics/bad?mode=sse", HOST + "Origin: http://evil.example\r\n"), {403}, None),
        ("a Host that is not this one", get("/topics/bad", "Host: evil.example\r\n"), {403, 421}, None),
        ("a POST for another Host",
         post_request("/topics/bad", b"x").replace(b"127.0.0.1", b"evil.example", 1), {403, 421}, None),
        ("an upgrade for another Host", upgrade_request("/topics/bad", host="evil.example"),
         {403, 421}, None),
    ]


def pieces(data, size):
    """`data` cut into pieces; large ones stay whole beyond the first 4 KiB."""
    head, tail = data[:4096], data[4096:]
    cut = [head[at:at + size] for at in range(0, len(head), size)]
    return cut + ([tail] if tail else [])


def answer_to(port, parts):
    """Sends the parts, returns (status, headers, body); status None where none came."""
    with Link(port, timeout=6) as link:
        link.socket.setsockopt(6, 1, 1)  # TCP_NODELAY: each part is a segment
        try:
            for part in parts:
                link.send(part)
        except OSError:
            pass  # It may answer and close before it has all.
        try:
            return link.response()
        except (Gone, OSError, ValueError, IndexError):
            return None, {}, b""


def run(guard):
    """Each case in one piece, then in pieces of 7 bytes; then whether the node still serves."""
    report, port = guard.report, guard.node.port
    for name, data, statuses, header in cases():
        for how, parts in (("", [data]), (" in pieces", pieces(data, 7))):
            status, headers, body = answer_to(port, parts)
            problems = problems_of(status, headers, body, statuses, header)
            if problems or not how:
                report.check(f"{name}{how}: {'/'.join(map(str, sorted(statuses)))}",
                             not problems, f"{problems}\n{body[:200]!r}")
    good_requests(guard)
    guard.after("bad requests")


def problems_of(status, headers, body, statuses, header):
    """What is wrong with the answer, or an empty list."""
    problems = []
    if status not in statuses:
        problems.append(f"answered {status}")
    elif error_of(body) is None:
        problems.append("the body has not the shape of an error")
    if header and header not in headers:
        problems.append(f"no {header} in {headers}")
    return problems


def good_requests(guard):
    """Near misses that are right, so that the cases above do not pass by refusing everything."""
    near = [
        ("an absolute target", get("http://127.0.0.1/healthz"), 200),
        ("OPTIONS *", get("*", method="OPTIONS"), 200),
        ("OPTIONS / of HTTP/1.0 without Host", get("/", "", "HTTP/1.0", "OPTIONS"), 200),
        ("GET of HTTP/1.0 without Host", get("/healthz", "", "HTTP/1.0"), 200),
        ("an upgrade with an empty body announced", upgrade_request("/topics/bad", "Content-Length: 0\r\n"), 101),
        ("an upgrade from a loopback origin",
         upgrade_request("/topics/bad", "Origin: http://localhost:5173\r\n"), 101),
        ("a slash in disguise in a topic", post_request("/topics/a%2Fb", b"x"), 200),
        ("a topic of 255 bytes", post_request("/topics/" + "t" * 255, b"x"), 200),
        ("a chunked body", post("Transfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"), 200),
        ("a body of 1 MiB", post_request("/topics/big", b"x" * MIB), 200),
        ("bytes that are no UTF-8, as such",
         post_request("/topics/bad", b"\xff\xfe", "application/octet-stream"), 200),
    ]
    for name, data, wanted in near:
        status, _, body = answer_to(guard.node.port, [data])
        guard.report.check(f"{name} is taken", status == wanted, f"answered {status}: {body[:200]!r}")
