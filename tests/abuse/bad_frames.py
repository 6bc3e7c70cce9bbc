"""WebSocket clients that break RFC 6455 or a limit, and the close code that each must get."""

import socket
import struct

from support.raw import BINARY, CLOSE, PING, TEXT, Gone, Link, frame

KIB = 1024
MESSAGE_MAX = 64 * KIB
FRAGMENTS_MAX = 1024
PROTOCOL, UTF8, BIG = {1002}, {1007}, {1009}


def close(code, reason=b""):
    """A close frame with a code."""
    return frame(CLOSE, struct.pack(">H", code) + reason)


def fragments(count, size):
    """A binary message in `count` frames."""
    first = frame(BINARY, b"x" * size, fin=False)
    middle = frame(0, b"x" * size, fin=False) * (count - 2)
    return first + middle + frame(0, b"x" * size)


def non_minimal():
    """A length of 5 written with 16 bits (RFC 6455 §5.2: the minimal number of bytes)."""
    return bytes([0x81, 0x80 | 126]) + struct.pack(">H", 5) + b"\0\0\0\0hello"


def cases():
    """(name, bytes, close codes that are right)."""
    return [
        ("a frame without a mask", frame(TEXT, b"x", masked=False), PROTOCOL),
        *[(f"reserved bits {rsv:03b}", frame(TEXT, b"x", rsv=rsv), PROTOCOL) for rsv in range(1, 8)],
        *[(f"reserved opcode {op}", frame(op, b"x"), PROTOCOL) for op in (3, 7, 11, 15)],
        ("a ping in fragments", frame(PING, b"x", fin=False), PROTOCOL),
        ("a ping of 126 bytes", frame(PING, b"x" * 126), PROTOCOL),
        ("a continuation of nothing", frame(0, b"x"), PROTOCOL),
        ("a new message within another", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), PROTOCOL),
        ("a length that is not minimal", non_minimal(), PROTOCOL),
        ("a close of one byte", frame(CLOSE, b"\x03"), PROTOCOL),
        *[(f"close code {code}", close(code), PROTOCOL)
          for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)],
        ("a close reason that is no UTF-8", close(1000, b"\xff"), UTF8 | PROTOCOL),
        ("text that is no UTF-8", frame(TEXT, b"a\xffb"), UTF8),
        ("text that ends within a character", frame(TEXT, "\u20ac".encode()[:2]), UTF8),
        ("a surrogate in UTF-8", frame(TEXT, b"\xed\xa0\x80"), UTF8),
        ("bad UTF-8 in a first fragment, at once", frame(TEXT, b"a\xff", fin=False), UTF8),
        ("one byte over the limit", frame(BINARY, b"x" * (MESSAGE_MAX + 1)), BIG),
        ("fragments that add up to more", fragments(2, MESSAGE_MAX // 2 + 1), BIG),
        ("2^32 bytes announced", frame(BINARY, length=1 << 32), BIG),
        ("2^62 bytes announced", frame(BINARY, length=1 << 62), BIG),
        ("2^63 bytes announced", frame(BINARY, length=1 << 63), BIG | PROTOCOL),
        ("one fragment too many", fragments(FRAGMENTS_MAX + 1, 1), BIG | {1008}),
        ("empty fragments without end",
         frame(TEXT, fin=False) + frame(0, fin=False) * (FRAGMENTS_MAX + 10), BIG | {1008}),
    ]


def code_for(port, parts):
    """Subscribes, sends the parts; returns the close code, and whether the node ended TCP."""
    with Link(port, timeout=6) as link:
        link.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if (status := link.upgrade("/topics/frames")) != 101:
            return f"status {status}", False
        try:
            for part in parts:
                link.send(part)
        except OSError:
            pass  # It may close before it has all.
        try:
            code, _ = link.close_frame()
            try:
                link.send(close(code if code not in (1005, 1006) else 1000))
            except OSError:
                pass
            return code, link.ended(7)
        except OSError as error:
            return f"{type(error).__name__}: {error}", False


def run(guard):
    """Each case in one piece and byte by byte, then closes as they should be."""
    report, port = guard.report, guard.node.port
    for name, data, codes in cases():
        ways = [("", [data])]
        if len(data) <= 200:
            ways.append((" byte by byte", [bytes([byte]) for byte in data]))
        for how, parts in ways:
            code, ended = code_for(port, parts)
            if code not in codes or not ended or not how:
                report.check(f"{name}{how}: {'/'.join(map(str, sorted(codes)))}",
                             code in codes and ended, f"closed with {code}, TCP ended: {ended}")
    proper_closes(guard)
    messages_at_the_limit(guard)
    guard.after("bad frames")


def proper_closes(guard):
    """The node answers a close with the same code and then ends TCP itself (RFC 6455 §7.1.1)."""
    for name, data, wanted in (("1000", close(1000, b"bye"), 1000), ("4999", close(4999), 4999),
                               ("no code", frame(CLOSE), 1005)):
        with Link(guard.node.port) as link:
            link.upgrade("/topics/frames")
            link.send(data)
            try:
                seen = link.close_frame()[0], link.ended(6)
            except OSError as error:
                seen = str(error)
        # An empty close may be answered by an empty one or by 1000.
        good = seen in ((wanted, True), (1000 if wanted == 1005 else wanted, True))
        guard.report.check(f"a close with {name} is answered, and TCP ended", good, seen)


def messages_at_the_limit(guard):
    """What is just within the limits is published, and comes back to its sender."""
    for name, data, size in (("a message of 64 KiB", frame(BINARY, b"x" * MESSAGE_MAX), MESSAGE_MAX),
                             ("1,024 fragments", fragments(FRAGMENTS_MAX, 1), FRAGMENTS_MAX),
                             ("an empty message", frame(BINARY), 0)):
        with Link(guard.node.port) as link:
            link.upgrade("/topics/limit")
            link.send(data)
            try:
                fin, opcode, payload = link.frame()
                seen = (fin, opcode, len(payload))
            except (Gone, OSError) as error:
                seen = str(error)
        guard.report.check(f"{name} is published", seen == (True, BINARY, size), seen)
