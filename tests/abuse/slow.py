"""Clients that take their time: heads in drips, readers that never read, pings without end."""

import socket
import time

from abuse.sudden_ends import Bystander, publish
from support.raw import CLOSE, PING, Gone, Link, frame, post_request

DRIPPERS = 20
SHORT_HEAD, LONG_HEAD = 1_500, 15_000
# CPU a byte of a long head against a short one. 1 would be perfect; a parser that begins again at
# each byte has about 10, less what a wake-up costs.
CPU_RATIO_MAX = 3.0
HANDSHAKE_SECONDS = 10
PUBLICATION = b"x" * 16_384
# 1 MiB of outbox and what the kernel takes, with much to spare.
PUBLICATIONS_MAX = 600


def padded_head(size):
    """A GET of /healthz whose head has `size` bytes."""
    start = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Pad: "
    return start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"


def drip_cpu(guard, size, rounds):
    """Heads of `size` bytes, a byte at a time on DRIPPERS connections: CPU seconds a byte."""
    node, head = guard.node, padded_head(size)
    before = node.cpu_seconds()
    for _ in range(rounds):
        links = [Link(node.port, timeout=10) for _ in range(DRIPPERS)]
        for link in links:
            link.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(size):
            byte = head[at:at + 1]
            for link in links:
                link.socket.send(byte)
        statuses = {link.response()[0] for link in links}
        guard.report.equal(f"{DRIPPERS} heads of {size} bytes, byte by byte, are answered", statuses, {200})
        for link in links:
            link.close()
    return (node.cpu_seconds() - before) / (size * rounds * DRIPPERS)


def dripped_heads(guard):
    """CPU is linear in the bytes, and who is not done in time gets 408."""
    report = guard.report
    try:
        short = drip_cpu(guard, SHORT_HEAD, 3)
        long = drip_cpu(guard, LONG_HEAD, 1)
        ratio = long / max(short, 1e-9)
        report.check("CPU is linear in the length of a head", ratio <= CPU_RATIO_MAX,
                     f"ratio {ratio:.1f}", f"{short * 1e6:.1f} and {long * 1e6:.1f} us a byte")
    except (OSError, Gone) as error:
        report.fail("heads byte by byte", repr(error))
    timed_out(guard)
    guard.after("dripped heads")


def timed_out(guard):
    """Some drip on beyond the handshake's time, some send half a head and nothing more."""
    report, begin = guard.report, time.monotonic()
    links = [Link(guard.node.port, timeout=10) for _ in range(DRIPPERS)]
    head, at, ends = padded_head(SHORT_HEAD), 0, {}
    for link in links:
        link.send(head[:30])
        link.socket.setblocking(False)
    while len(ends) < len(links) and time.monotonic() - begin < HANDSHAKE_SECONDS + 8:
        time.sleep(0.1)
        at += 1
        for index, link in enumerate(links):
            if index not in ends:
                drip_or_read(link, index, ends, head[30 + at:31 + at] if index % 2 else b"", begin)
    for link in links:
        link.close()
    wanted = {408}
    report.equal("a head that is not done in time gets 408", {answer for answer, _ in ends.values()},
                 wanted, f"{len(ends)} of {len(links)} ended")
    times = sorted(at for _, at in ends.values())
    report.check(f"after {HANDSHAKE_SECONDS} s, also for those who drip on",
                 len(times) == len(links) and HANDSHAKE_SECONDS - 1 <= times[0]
                 and times[-1] <= HANDSHAKE_SECONDS + 3, times,
                 f"{times[0]:.1f} to {times[-1]:.1f} s" if times else "")


def drip_or_read(link, index, ends, drop, begin):
    """One more byte for one dripper; notes the status once it is answered."""
    try:
        data = link.socket.recv(4096)
        words = data.split(b" ", 2)
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else "closed unanswered"
        ends[index] = status, time.monotonic() - begin
        return
    except BlockingIOError:
        pass
    except OSError as error:
        ends[index] = type(error).__name__, time.monotonic() - begin
        return
    try:
        link.socket.send(drop)
    except OSError:
        pass  # The answer is read at the next turn.


def reader_that_never_reads(guard):
    """Its outbox fills: 4008 for it, and nothing lost for a bystander. One reads late, one never."""
    report, port = guard.report, guard.node.port
    topic = "/topics/slow"
    bystander = Bystander(port, topic)
    late, never = [Link(port, timeout=10, receive_buffer=4096) for _ in range(2)]
    for link in (late, never):
        link.upgrade(topic)
    with Link(port) as publisher:
        count = publish_until_dropped(report, publisher, topic)
        judge_late_reader(report, late)
        end = time.monotonic() + 9
        while not (alone := publish(publisher, b"x", topic)[1]["subscribers"] == 1):
            count += 1
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        count += 1
    report.check("slow readers lose their subscription", alone, "not within 9 s")
    report.check("a bystander lost nothing", bystander.wait_for(count, 10),
                 f"{len(bystander.offsets)} of {count}; {bystander.error}")
    bystander.stop()
    late.close()
    guard.after("readers that never read")  # `never` is still open here: the node lets go of it.
    never.close()


def publish_until_dropped(report, publisher, topic):
    """Publishes until both slow readers have overflowed; returns how many publications."""
    statuses, dropped = set(), 0
    for count in range(1, PUBLICATIONS_MAX + 1):
        status, answer = publish(publisher, PUBLICATION, topic)
        statuses.add(status)
        dropped += answer.get("dropped", 0)
        if dropped >= 2 or answer.get("subscribers") == 1:
            break
    report.equal("publishing goes on beside slow readers", statuses, {200})
    report.check("the outboxes of slow readers overflow", count < PUBLICATIONS_MAX,
                 f"not after {count}: {answer}", f"after {count} publications of 16 KiB")
    return count


def judge_late_reader(report, link):
    """What it finds when it reads at last: whole frames and then the close."""
    whole = 0
    try:
        while True:
            _, opcode, payload = link.frame()
            if opcode == CLOSE:
                break
            whole += payload == PUBLICATION
        code = int.from_bytes(payload[:2], "big")
        report.equal("a slow reader's last frame is a close with 4008", code, 4008)
        report.check("what comes before it are whole publications", whole > 0, whole, f"{whole} of them")
    except (Gone, OSError) as error:
        report.fail("a slow reader's last frame is a close with 4008", f"{error!r} after {whole} frames")


def pings_unread(guard):
    """A client that pings without end and reads no pong costs a bounded amount of memory."""
    report, node = guard.report, guard.node
    before = node.rss_bytes()
    batch = frame(PING, b"p" * 125) * 500
    link = Link(node.port, timeout=0.5, receive_buffer=4096)
    link.upgrade("/topics/pings")
    end, sent = time.monotonic() + 4, 0
    try:
        while time.monotonic() < end:
            sent += link.socket.send(batch)
    except OSError:
        pass  # No longer read from, or closed: both are right.
    growth = node.rss_bytes() - before
    report.check("pings whose pongs nobody reads are bounded", growth < 8 << 20,
                 f"{growth >> 10} KiB more after {sent >> 10} KiB of pings",
                 f"{growth >> 10:+} KiB after {sent >> 10} KiB of pings")
    report.equal("others are served meanwhile", node.status("/healthz"), 200)
    link.close()
    guard.after("unread pings")


def unfinished_bodies(guard):
    """Many announced bodies of 1 MiB of which little comes: no memory is taken ahead."""
    report, node = guard.report, guard.node
    before = node.rss_bytes()
    links = [Link(node.port) for _ in range(100)]
    for link in links:
        link.send(post_request("/topics/unfinished", b"x" * (1 << 20))[:1000])
    time.sleep(1)
    growth = node.rss_bytes() - before
    report.check("100 bodies of 1 MiB that do not come take no memory ahead", growth < 16 << 20,
                 f"{growth >> 10} KiB", f"{growth >> 10:+} KiB")
    for link in links:
        link.close()
    guard.after("unfinished bodies")
