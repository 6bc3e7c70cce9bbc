"""With a key, the node's own pages ask a stranger for it, also behind a proxy on this host."""

import socket

from proxies import front as fronts
from support.raw import Link

KEY = "kk"
PATHS = ("/", "/compare", "/metrics")


def foreign_address():
    """An address of this host that is not a loopback one, so that its traffic stays here; None
    where there is none. Nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = probe.getsockname()[0]
    return None if address.startswith("127.") else address


def run(binary, kind, report):
    """A node of its own, with a key, and the proxy before it."""
    name = f"{kind.NAME} | the node's pages ask a stranger for the key"
    address = foreign_address()
    if not kind.NAMES_CLIENTS:
        return
    if not address:
        report.skip(name, "this host has no address but loopback")
        return
    with fronts.new_node(binary, "--publish-key", KEY) as node, \
            fronts.new_proxy(kind, node) as proxy:
        with fronts.Front(node, proxy, report).check(name.partition(" | ")[2]) as trial:
            for path in PATHS:
                stranger_cell(trial, proxy.port, path, address)


def stranger_cell(trial, port, path, address):
    """Whatever a stranger says of itself; and whoever has the key is let in."""
    for lie in ("", "X-Forwarded-For: 127.0.0.1\r\n", "Forwarded: for=127.0.0.1\r\n",
                "X-Real-IP: 127.0.0.1\r\n"):
        trial.equal(f"{path} {lie.strip()}", status(port, path, lie, address), 401)
    key = f"Authorization: Bearer {KEY}\r\n"
    trial.equal(f"{path} with the key", status(port, path, key, address), 200)


def status(port, path, headers, source):
    """The status of a GET from an address."""
    with Link(port, source=source) as link:
        link.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode())
        return link.response()[0]
