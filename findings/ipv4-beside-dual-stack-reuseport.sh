#!/usr/bin/env bash
# Linux (seen on 6.18): two listeners share a port by SO_REUSEPORT, one on [::] that takes IPv4 as
# well (IPV6_V6ONLY off), one on 0.0.0.0.
#
# Expected: the kernel spreads IPv4 connections over both, as over any two sockets that share a
# port, or refuses the second bind, as it does without SO_REUSEPORT.
# Seen: both binds succeed, and every IPv4 connection goes to 0.0.0.0; [::] gets none of them, and
# keeps what IPv6 brings. Whoever runs a dual-stack server with SO_REUSEPORT loses all its IPv4
# clients, without an error anywhere, to a process of the same user that binds 0.0.0.0 later. The
# order of the binds does not matter.
#
# Exit code 0: still so. 1: it has changed. 2: this host has no IPv6.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/share.py" <<'PYTHON'
import socket
import sys

CONNECTIONS = 200


def listener(family, address, port):
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    made.bind((address, port))
    made.listen(2 * CONNECTIONS)
    made.setblocking(False)
    return made


def accepted(listening):
    count = 0
    while True:
        try:
            listening.accept()[0].close()
            count += 1
        except BlockingIOError:
            return count


def shares(families):
    """How many IPv4 connections [::] and 0.0.0.0 get, bound in that order."""
    made, port = {}, 0
    for family in families:
        made[family] = listener(family, "::" if family == socket.AF_INET6 else "0.0.0.0", port)
        port = made[family].getsockname()[1]
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    counts = accepted(made[socket.AF_INET6]), accepted(made[socket.AF_INET])
    for one in [*clients, *made.values()]:
        one.close()
    return counts


def alike():
    """The same for two sockets on 0.0.0.0, to see that the kernel does spread."""
    first = listener(socket.AF_INET, "0.0.0.0", 0)
    second = listener(socket.AF_INET, "0.0.0.0", first.getsockname()[1])
    port = first.getsockname()[1]
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    counts = accepted(first), accepted(second)
    for one in [*clients, first, second]:
        one.close()
    return counts


try:
    socket.socket(socket.AF_INET6).bind(("::1", 0))
except OSError as error:
    print(f"no IPv6 here: {error}")
    sys.exit(2)
control = alike()
print(f"0.0.0.0 and 0.0.0.0:        {control[0]} and {control[1]} IPv4 connections")
first = shares([socket.AF_INET6, socket.AF_INET])
print(f"[::] first, 0.0.0.0 second: {first[0]} and {first[1]}")
second = shares([socket.AF_INET, socket.AF_INET6])
print(f"0.0.0.0 first, [::] second: {second[1]} for 0.0.0.0 and {second[0]} for [::]")
as_stated = min(control) > 0 and first == second == (0, CONNECTIONS)
print("as stated" if as_stated else "it has changed")
sys.exit(0 if as_stated else 1)
PYTHON
python3 "$folder/share.py"
