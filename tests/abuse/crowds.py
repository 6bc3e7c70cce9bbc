"""More clients than there is room for, and many at once within it."""

import json
import threading
import time

from abuse.sudden_ends import Bystander
from support.raw import Gone, Link, error_of, post_request, upgrade_request

# The node's own descriptors and its reserve for health checks come off this limit.
DESCRIPTORS = 300
ATTEMPTS = 400
CONNECTIONS_AT_LEAST = 100
LIMITED_TO = 20
BURST_IN_RESERVE = 20
BURST_BEYOND = 150
CLIENTS = 100
POSTS_A_CLIENT = 100


def try_upgrade(port, links):
    """One newcomer: its status, and its link kept in `links` if it is in."""
    link = Link(port, timeout=10)
    try:
        link.send(upgrade_request("/topics/crowd"))
        status, headers, body = link.response()
    except (Gone, OSError) as error:
        link.close()
        return f"{type(error).__name__}", {}, b""
    if status == 101:
        links.append(link)
    else:
        link.close()
    return status, headers, body


def fill(guard, name, at_least, at_most):
    """Newcomers until ATTEMPTS: first 101, then 503 for each. Returns those who are in."""
    links, answers = [], []
    for _ in range(ATTEMPTS):
        answers.append(try_upgrade(guard.node.port, links))
    statuses = [status for status, _, _ in answers]
    guard.report.check(f"{name}: newcomers are taken up to a limit, and 503 beyond it",
                       set(statuses) == {101, 503} and at_least <= len(links) <= at_most
                       and statuses == sorted(statuses),
                       f"{ {s: statuses.count(s) for s in set(statuses)} }",
                       f"{len(links)} taken, {statuses.count(503)} refused")
    refused = [(headers, body) for status, headers, body in answers if status == 503]
    guard.report.check(f"{name}: a refusal says Retry-After, and why",
                       refused and all("retry-after" in headers and error_of(body)
                                       for headers, body in refused), refused[:1])
    return links


def while_full(guard, name):
    """A full node is seen as full, not as dead, and does not spin."""
    node, report = guard.node, guard.report
    report.equal(f"{name}: /healthz is answered", [node.status("/healthz") for _ in range(5)], [200] * 5)
    report.equal(f"{name}: /readyz says 503", node.status("/readyz"), 503)
    before = node.cpu_seconds()
    time.sleep(2)
    cpu = (node.cpu_seconds() - before) / 2
    report.check(f"{name}: a full node idles", cpu < 0.05, f"{cpu:.1%} CPU", f"{cpu:.1%} CPU")


def burst(guard, name):
    """Many newcomers at once at a full node. Within its reserve each gets its 503; beyond that
    the node may also just end the connection, but lets nobody wait."""
    few, many = at_once(guard.node.port, BURST_IN_RESERVE), at_once(guard.node.port, BURST_BEYOND)
    guard.report.equal(f"{name}: {BURST_IN_RESERVE} at once are all told 503", few,
                       {503: BURST_IN_RESERVE})
    guard.report.check(f"{name}: {BURST_BEYOND} at once are told 503 or ended",
                       set(many) <= {503, "Gone"} and many.get(503, 0) >= BURST_IN_RESERVE, many,
                       detail=many)


def at_once(port, count):
    """Connects all, then reads: how many got which status."""
    links, statuses = [], []
    for _ in range(count):
        link = Link(port, timeout=15)
        links.append(link)
        try:
            link.send(upgrade_request("/topics/crowd"))
        except OSError:
            pass  # Ended already; what it said is read below.
    for link in links:
        try:
            statuses.append(link.response()[0])
        except (Gone, OSError) as error:
            statuses.append(type(error).__name__)
        link.close()
    return {status: statuses.count(status) for status in set(statuses)}


def empty(guard, name, links):
    """All leave; the node takes newcomers again."""
    for link in links:
        link.close()
    end = time.monotonic() + 9
    while guard.node.status("/readyz") != 200 and time.monotonic() < end:
        time.sleep(0.1)
    again = []
    statuses = [try_upgrade(guard.node.port, again)[0] for _ in range(LIMITED_TO)]
    guard.report.equal(f"{name}: newcomers are taken again", statuses, [101] * LIMITED_TO)
    for link in again:
        link.close()


def descriptor_limit(guard):
    """For a node that was started with DESCRIPTORS: to the limit and back, twice."""
    if b'driver="uring"' in guard.node.request("GET", "/metrics")[2]:
        beyond_descriptors(guard)
        return
    for turn in ("first storm", "second storm"):
        links = fill(guard, turn, CONNECTIONS_AT_LEAST, DESCRIPTORS)
        while_full(guard, turn)
        burst(guard, turn)
        empty(guard, turn, links)
    guard.after("storms to the descriptor limit")


def beyond_descriptors(guard):
    """Over io_uring connections are no descriptors: everybody gets in, and again."""
    for turn in ("first storm", "second storm"):
        links = []
        statuses = [try_upgrade(guard.node.port, links)[0] for _ in range(ATTEMPTS)]
        guard.report.equal(f"{turn}: {ATTEMPTS} are taken in spite of {DESCRIPTORS} descriptors",
                           {s: statuses.count(s) for s in set(statuses)}, {101: ATTEMPTS})
        guard.report.equal(f"{turn}: /readyz says 200", guard.node.status("/readyz"), 200)
        empty(guard, turn, links)
        # Rings that were needed once are kept, two descriptors each.
        guard.descriptors = guard.node.descriptor_count()
        guard.report.check(f"{turn}: descriptors are those of rings", guard.descriptors < 50,
                           f"{guard.descriptors} descriptors")
    guard.after("storms beyond the descriptor limit")


def connection_limit(guard):
    """For a node with --max-connections LIMITED_TO: exactly so many."""
    name = f"--max-connections {LIMITED_TO}"
    links = fill(guard, name, LIMITED_TO, LIMITED_TO)
    while_full(guard, name)
    empty(guard, name, links)
    guard.after(name)


class Poster(threading.Thread):
    """POSTS_A_CLIENT requests, one after the other on one connection."""

    def __init__(self, port, go):
        super().__init__(daemon=True)
        self.port = port
        self.go = go
        self.answers = []
        self.error = None

    def run(self):
        try:
            with Link(self.port, timeout=30) as link:
                self.go.wait(30)
                for number in range(POSTS_A_CLIENT):
                    link.send(post_request("/topics/many", b"%d" % number))
                    status, _, body = link.response()
                    self.answers.append((status, json.loads(body)["offset"] if status == 200 else 0))
        except Exception as error:  # pylint: disable=broad-except # kept for the check
            self.error = error


def many_posts(guard):
    """10,000 POSTs of 100 clients at once: all 200, the offsets dense, a subscriber has them all."""
    report = guard.report
    total = CLIENTS * POSTS_A_CLIENT
    bystander = Bystander(guard.node.port, "/topics/many")
    go = threading.Event()
    posters = [Poster(guard.node.port, go) for _ in range(CLIENTS)]
    for poster in posters:
        poster.start()
    begin = time.monotonic()
    go.set()
    for poster in posters:
        poster.join(60)
    seconds = time.monotonic() - begin
    answers = [answer for poster in posters for answer in poster.answers]
    errors = [repr(poster.error) for poster in posters if poster.error]
    good = [offset for status, offset in answers if status == 200]
    report.check(f"{total:,} kept-alive POSTs of {CLIENTS} clients are all 200",
                 len(good) == total and not errors,
                 f"{len(good)} of {len(answers)} answers; {errors[:3]}", f"{seconds:.1f} s")
    first = min(good, default=0)
    report.check("each has an offset of its own, without gaps",
                 sorted(good) == list(range(first, first + total)), sorted(good)[:5])
    report.check("each client's own offsets rise",
                 all(poster.answers == sorted(poster.answers, key=lambda answer: answer[1])
                     for poster in posters))
    report.check("a subscriber got all of them in order", bystander.wait_for(total, 20),
                 f"{len(bystander.offsets)} of {total}; {bystander.error}")
    bystander.stop()
    pipelined(guard)
    guard.after("many POSTs")


def pipelined(guard, count=50):
    """Requests sent without waiting are answered in their order."""
    with Link(guard.node.port) as link:
        link.send(b"".join(post_request("/topics/pipelined", b"%d" % n) for n in range(count)))
        try:
            offsets = [json.loads(link.response()[2])["offset"] for _ in range(count)]
        except (Gone, OSError, ValueError, KeyError) as error:
            return guard.report.fail(f"{count} pipelined POSTs", repr(error))
    first = offsets[0]
    return guard.report.equal(f"{count} pipelined POSTs are answered in order", offsets,
                              list(range(first, first + count)))
