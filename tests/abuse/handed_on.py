"""Upgrades as proxies hand them on: each in the words of one of them, none of which is a mistake,
and a 101 that comes by itself."""

from contextlib import ExitStack

from support.raw import TEXT, Link, post_request, upgrade_request

# Long, so that what comes in one read was sent together.
FLAGS = ("--upgrade-pause", "1s")
TOPIC = "/topics/handed-on"
DIRECT = "a client without a proxy"
WORDS = {
    DIRECT: "",
    "Apache, from HTTP/2": "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Server: a\r\n"
                           "Content-Length: 0\r\n",
    "Caddy": "Via: 1.1 Caddy\r\nX-Forwarded-Proto: https\r\nAccept-Encoding: gzip\r\n",
    "Traefik": "X-Forwarded-Proto: ws\r\nX-Real-Ip: 127.0.0.1\r\n",
    "Envoy": "x-forwarded-proto: https\r\nx-request-id: 75f64fa1\r\n",
    "h2o": "via: 1.1 127.0.0.1:8000\r\nx-forwarded-for: 127.0.0.1\r\n",
    "lighttpd, from HTTP/2": "X-Host: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\n",
    "one that knows nobody": "Forwarded: for=unknown\r\n",
    "one that says nothing": "X-Forwarded-For: \r\n",
    "two in a row": "Via: 2.0 a, 1.1 b\r\nForwarded: for=_a, for=\"[::1]:1\"\r\n",
}
# What stands in the place of the usual `Connection: Upgrade` and of the key.
CONNECTIONS = {"Envoy": "connection: upgrade", "lighttpd, from HTTP/2": "Connection: close, upgrade"}
KEY = "MDAwMDAwMDAwMDAwMDAwMA=="


def request(name):
    """The upgrade, with positions and history."""
    data = upgrade_request(f"{TOPIC}?format=json&after=earliest", WORDS[name])
    connection = CONNECTIONS.get(name, "Connection: Upgrade").encode()
    data = data.replace(b"Connection: Upgrade", connection)
    if name.startswith("lighttpd"):
        lines = data.split(b"\r\n")
        key = f"Sec-WebSocket-Key: {KEY}".encode()
        data = b"\r\n".join(key if line.startswith(b"Sec-WebSocket-Key") else line for line in lines)
    return data


def run(guard):
    """All of them at once, since each waits."""
    report, port = guard.report, guard.node.port
    with ExitStack() as stack:
        poster = stack.enter_context(Link(port))
        poster.send(post_request(TOPIC, b"before"))
        report.equal("a publication of before is taken", poster.response()[0], 200)
        links = {}
        for name in WORDS:
            links[name] = stack.enter_context(Link(port))
            links[name].send(request(name))
            head(report, name, links[name])
        poster.send(post_request(TOPIC, b"within"))
        report.equal("a publication within the pauses is taken", poster.response()[0], 200)
        for name, link in links.items():
            rest(report, name, link)
    guard.after("upgrades that proxies handed on")


def head(report, name, link):
    """The 101; what has come with it was sent with it."""
    status, _, _ = link.response()
    together = bool(link.buffer)
    wanted = (101, name == DIRECT)
    report.equal(f"{name}: 101, and whether the greeting comes with it", (status, together), wanted)


def rest(report, name, link):
    """All else, in its order."""
    frames = [link.frame() for _ in range(3)]
    words = [next(word for word in (b"recovered", b"before", b"within", b"") if word in payload)
             for _, _, payload in frames]
    report.equal(f"{name}: greeting, history, news", words, [b"recovered", b"before", b"within"])
    report.check(f"{name}: as text", all(opcode == TEXT for _, opcode, _ in frames))
