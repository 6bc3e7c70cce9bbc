#!/usr/bin/env python3
"""A rolling restart behind HAProxy, under load: `run.py BINARY`.

Two nodes behind scripts/haproxy/haproxy.cfg, 200 WebSocket subscribers through it, a publisher
for each node. Node 1 gets SIGTERM: HAProxy must send it nobody more, its clients must be closed
with 1001 and `retry=MS`, spread over the drain, come back by HAProxy on node 2, and whoever was
on node 2 must not notice. Then node 1 comes back. Which node a client is on shows in what it
receives, since without a bridge each publication is of one node: `node1 17`.
"""

import argparse
import asyncio
import collections
import http.client
import os
import re
import signal
import sys
import threading
import time

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
from support import places  # noqa: E402
from support.children import exit_on_signals, raise_descriptor_limit  # noqa: E402
from support.ledger import Publisher, Wrong  # noqa: E402
from support.node import BEHIND_PROXY, PLAIN, Node  # noqa: E402
from support.payloads import text  # noqa: E402
from support.proxies import Haproxy  # noqa: E402
from support.report import Report  # noqa: E402
from support.sections import end_at_the_latest  # noqa: E402

TOPIC = "haproxy/rolling"
SUBSCRIBERS = 200
PUBLISH_PER_SECOND = 20
DRAIN_SECONDS = 6
GRACE_SECONDS = 2.5
# A retry hint longer than this would keep people away for longer than a restart takes.
RETRY_MS_MAX = 30_000
RUN_SECONDS_MAX = 150


class Schedule(threading.Thread):
    """Publishes `NAME N` at one node, on a schedule, until told to stop."""

    def __init__(self, name, port, first=0):
        super().__init__(daemon=True)
        self.label = name
        self.publisher = Publisher(port, timeout=5)
        self.next = first
        self.failures = []
        self.ended = threading.Event()

    def run(self):
        due = time.monotonic()
        while not self.ended.wait(max(0, due - time.monotonic())):
            due += 1 / PUBLISH_PER_SECOND
            try:
                self.publisher.post(TOPIC, text("a number", f"{self.label} {self.next}"))
                self.next += 1
            except (Wrong, OSError, ValueError, http.client.HTTPException) as error:
                self.failures.append((time.monotonic(), f"{type(error).__name__}: {error}"))
                # The next one has a connection of its own.
                self.publisher.close()

    def stop(self):
        """Ends it and waits."""
        self.ended.set()
        self.join(10)
        self.publisher.close()


class Visit:
    """One connection of a subscriber: what came, and how it ended."""

    def __init__(self):
        self.opened = time.monotonic()
        self.messages = []
        self.closed = None
        self.code = None
        self.reason = ""

    @property
    def node(self):
        """The node's name, once something came."""
        return self.messages[0][0] if self.messages else None

    @property
    def numbers(self):
        """The numbers that came."""
        return [number for _, number in self.messages]

    def is_dense(self):
        """Whether they came from one node, each one higher than the one before."""
        numbers = self.numbers
        return (len({name for name, _ in self.messages}) <= 1
                and all(b == a + 1 for a, b in zip(numbers, numbers[1:])))


class Subscriber:
    """Connects through HAProxy, and again when it is told to by `retry=MS`."""

    def __init__(self, url):
        self.url = url
        self.visits = []
        self.troubles = []
        self.stopping = False

    async def run(self):
        """Until it is cancelled, or something happens that a client need not bear."""
        import websockets
        while not self.stopping:
            try:
                async with websockets.connect(self.url, proxy=None, open_timeout=15,
                                              ping_interval=None) as socket:
                    await self._receive(socket)
            except (OSError, websockets.InvalidHandshake) as error:
                self.troubles.append(f"connecting: {type(error).__name__}: {error}")
                if len(self.troubles) > 20:
                    return
                await asyncio.sleep(0.5)
                continue
            hint = retry_ms(self.visits[-1])
            if hint is None:
                return
            await asyncio.sleep(min(hint, RETRY_MS_MAX) / 1000)

    async def _receive(self, socket):
        import websockets
        visit = Visit()
        self.visits.append(visit)
        try:
            async for message in socket:
                name, _, number = message.partition(" ")
                visit.messages.append((name, int(number)))
        except websockets.ConnectionClosed:
            pass
        visit.closed = time.monotonic()
        visit.code = socket.close_code
        visit.reason = socket.close_reason or ""


def retry_ms(visit):
    """The hint in the close reason, or None."""
    found = re.search(r"\bretry=(\d+)\b", visit.reason)
    return int(found.group(1)) if visit.code == 1001 and found else None


async def until(condition, seconds):
    """Waits until `condition()`; returns whether it became true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        await asyncio.sleep(0.05)
    return True


class Fleet:
    """The nodes, HAProxy, the publishers and the subscribers of one run."""

    def __init__(self, binary, report):
        self.report = report
        self.nodes = [self._node(binary), self._node(binary)]
        self.proxy = None
        self.schedules = []
        self.subscribers = []
        self.tasks = []

    @staticmethod
    def _node(binary):
        # Fixed shards: the two nodes, HAProxy and 200 clients share few cores here.
        return Node(binary, "--trusted-proxy", "127.0.0.1/32", "--shards", "1",
                    "--drain", f"{DRAIN_SECONDS}s", "--drain-grace", f"{int(GRACE_SECONDS * 1000)}ms",
                    listen=(PLAIN, BEHIND_PROXY))

    def start(self):
        """The nodes, and HAProxy on the ports that they have."""
        for node in self.nodes:
            node.start()
            self.report.debug(" ".join(node.command))
        self.proxy = Haproxy([node.proxy_ports[0] for node in self.nodes])
        self.proxy.start()

    def log_text(self):
        """What HAProxy says, if it is there."""
        return self.proxy.log_text() if self.proxy else ""

    def status(self, name):
        """HAProxy's word for a server: UP, NOLB (404), DOWN, …"""
        return self.proxy.servers().get(name, {}).get("status", "").split(" ")[0]

    def checked(self, name):
        """The result of HAProxy's last finished check: L7OK, L7OKC (404), L4CON, …"""
        return self.proxy.servers().get(name, {}).get("check_status", "")

    def subscribe(self, count):
        """New subscribers, who connect in the background."""
        added = [Subscriber(f"ws://127.0.0.1:{self.proxy.port}/topics/{TOPIC}") for _ in range(count)]
        self.subscribers += added
        self.tasks += [asyncio.create_task(one.run()) for one in added]
        return added

    def publish(self, number, first=0):
        """Begins to publish at node `number`."""
        schedule = Schedule(f"node{number}", self.nodes[number - 1].port, first)
        self.schedules.append(schedule)
        schedule.start()

    def last_visits_on(self, name):
        """How many are on a node now."""
        return sum(1 for one in self.subscribers
                   if one.visits and one.visits[-1].closed is None and one.visits[-1].node == name)

    async def close(self):
        """Ends everything."""
        for schedule in self.schedules:
            schedule.stop()
        for subscriber in self.subscribers:
            subscriber.stopping = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.proxy:
            self.proxy.stop()
        for node in self.nodes:
            node.kill()


async def begin(fleet):
    """Everything up, everybody connected, balanced and receiving. False: no use to go on."""
    report = fleet.report
    await asyncio.to_thread(fleet.start)
    # HAProxy takes servers for UP until a check failed, so ask for the check's own result.
    up = await until(lambda: fleet.checked("node1") == fleet.checked("node2") == "L7OK", 15)
    if not report.check("HAProxy's checks pass on the PROXY listeners of both nodes", up,
                        f"{fleet.proxy.servers()}\n{fleet.log_text()}"):
        return False
    everybody = fleet.subscribe(SUBSCRIBERS)
    opened = await until(lambda: all(one.visits for one in everybody), 20)
    if not report.check(f"{SUBSCRIBERS} WebSockets open through HAProxy", opened,
                        troubles(everybody)):
        return False
    fleet.publish(1)
    fleet.publish(2)
    heard = await until(lambda: all(one.visits[-1].node for one in everybody), 10)
    report.check("every subscriber receives", heard, troubles(everybody))
    shares = collections.Counter(one.visits[-1].node for one in everybody)
    even = abs(shares["node1"] - shares["node2"]) <= SUBSCRIBERS // 10
    report.check("leastconn spreads them evenly", even, shares, detail=dict(shares))
    await asyncio.sleep(2)
    return heard


def troubles(subscribers):
    """What subscribers ran into, shortened."""
    counts = collections.Counter(trouble for one in subscribers for trouble in one.troubles)
    silent = sum(1 for one in subscribers if not one.visits)
    return f"{silent} without a connection; {counts.most_common(5)}"


async def drain(fleet):
    """SIGTERM for node 1, and what HAProxy and newcomers see meanwhile. Returns when it was sent."""
    report, node = fleet.report, fleet.nodes[0]
    sent = time.monotonic()
    node.signal(signal.SIGTERM)
    marked = await until(lambda: fleet.status("node1") == "NOLB", GRACE_SECONDS)
    report.check("HAProxy takes the 404 for a drain, before the grace is over", marked,
                 f"node1 is {fleet.status('node1')!r}", detail=f"{time.monotonic() - sent:.2f} s")
    report.equal("/healthz stays 200", await asyncio.to_thread(node.status, "/healthz"), 200)
    report.equal("/readyz says 503", await asyncio.to_thread(node.status, "/readyz"), 503)
    report.equal("/readyz?drain=404 says 404",
                 await asyncio.to_thread(node.status, "/readyz?drain=404"), 404)
    kept = int(fleet.proxy.servers()["node1"]["scur"])
    report.check("the mark breaks none of the node's connections",
                 kept >= SUBSCRIBERS * 0.4, f"HAProxy counts {kept} sessions", detail=f"{kept} stay")
    newcomers = fleet.subscribe(5)
    await until(lambda: all(one.visits and one.visits[-1].node for one in newcomers), 5)
    report.equal("newcomers go to node 2", {one.visits[-1].node if one.visits else None
                                            for one in newcomers}, {"node2"}, troubles(newcomers))
    code = await asyncio.to_thread(node.wait, GRACE_SECONDS + DRAIN_SECONDS + 10)
    report.equal("node 1 exits with 0", code, 0, node.log_text())
    report.note(f"node 1 ended {time.monotonic() - sent:.1f} s after SIGTERM")
    return sent


def judge_closes(fleet, sent):
    """The closes of node 1's clients: codes, hints, and how they are spread."""
    report = fleet.report
    closes = [one.visits[0] for one in fleet.subscribers if one.visits[0].node == "node1"]
    codes = collections.Counter((visit.code, re.sub(r"\d+", "N", visit.reason)) for visit in closes)
    hints = [retry_ms(visit) for visit in closes]
    report.check("each of its clients was closed with 1001 and retry=MS",
                 closes and None not in hints, codes, detail=f"{len(closes)} clients")
    hints = sorted(hint for hint in hints if hint is not None)
    if not hints:
        return
    report.check(f"the hints are jittered and within {RETRY_MS_MAX} ms",
                 len(set(hints)) > len(hints) // 4 and hints[-1] <= RETRY_MS_MAX, hints,
                 detail=f"{hints[0]} to {hints[-1]} ms, median {hints[len(hints) // 2]} ms")
    judge_spread(report, sorted(visit.closed - sent for visit in closes if visit.closed))


def judge_spread(report, times):
    """That closes begin after the grace, take most of the drain, and come in no herd."""
    slice_seconds = DRAIN_SECONDS / 10
    slices = collections.Counter(int((at - GRACE_SECONDS) // slice_seconds) for at in times)
    report.note(f"closes in slices of {slice_seconds:.1f} s after the grace:")
    for index in range(min(slices), max(slices) + 1):
        begin_at = GRACE_SECONDS + index * slice_seconds
        report.note(f"  {begin_at:5.1f} s {slices[index]:4d} {'#' * slices[index]}")
    report.check("nobody is closed within the grace", times[0] >= GRACE_SECONDS - 0.3,
                 f"the first at {times[0]:.2f} s", detail=f"the first at {times[0]:.2f} s")
    end = GRACE_SECONDS + DRAIN_SECONDS + 1
    report.check("all are closed at the end of the drain", times[-1] <= end,
                 f"the last at {times[-1]:.2f} s of {end}", detail=f"the last at {times[-1]:.2f} s")
    report.check("the closes take most of the drain", times[-1] - times[0] >= 0.6 * DRAIN_SECONDS,
                 f"{times[-1] - times[0]:.2f} s", detail=f"{times[-1] - times[0]:.2f} s")
    share = max(slices.values()) / len(times)
    report.check("no tenth of the drain has more than 30 % of them", share <= 0.3,
                 f"{share:.0%}", detail=f"at most {share:.0%}")


async def judge_return(fleet):
    """Everybody is on node 2 now, and nobody ran into anything on the way."""
    report = fleet.report
    count = len(fleet.subscribers)
    back = await until(lambda: fleet.last_visits_on("node2") == count, RETRY_MS_MAX / 1000 + 5)
    report.check("all are on node 2 by HAProxy", back,
                 f"{fleet.last_visits_on('node2')} of {count}; {troubles(fleet.subscribers)}",
                 detail=f"{count} clients")
    report.check("no connection was refused on the way",
                 not any(one.troubles for one in fleet.subscribers), troubles(fleet.subscribers))
    gone = await until(lambda: fleet.status("node1") == "DOWN", 10)
    report.check("HAProxy sees that node 1 is gone", gone, fleet.status("node1"))


async def judge_messages(fleet):
    """Nothing lost on node 2; on node 1 nothing out of order or missing before a close."""
    report = fleet.report
    second = fleet.schedules[1]
    second.stop()
    last = second.next - 1
    there = [one for one in fleet.subscribers if one.visits[0].node == "node2"]
    initial = [one for one in there if one in fleet.subscribers[:SUBSCRIBERS]]
    await until(lambda: all(one.visits[-1].numbers[-1:] == [last] for one in fleet.subscribers), 10)
    report.check("node 2 took every publication", not second.failures, second.failures[:5],
                 detail=f"{second.next} of them")
    whole = [one for one in initial if one.visits[0].numbers == list(range(last + 1))]
    report.check("who was on node 2 all the time has every one, in order",
                 initial and len(whole) == len(initial),
                 f"{len(whole)} of {len(initial)}; another: "
                 f"{[one.visits[0].numbers for one in initial if one not in whole][:1]}",
                 detail=f"{len(initial)} clients, {last + 1} publications")
    visits = [visit for one in fleet.subscribers for visit in one.visits]
    gaps = [visit for visit in visits if not visit.is_dense()]
    report.check("no connection has a gap, a repeat, or messages of two nodes", not gaps,
                 [visit.messages for visit in gaps[:1]], detail=f"{len(visits)} connections")
    late = [one for one in fleet.subscribers if one.visits[-1].numbers[-1:] != [last]]
    report.check("who came back follows to the end", not late, f"{len(late)} do not")
    on_other = [one for one in there if len(one.visits) != 1]
    report.check("nobody on node 2 was disconnected", not on_other, len(on_other))


async def come_back(fleet):
    """Node 1 starts again on its ports and takes newcomers."""
    report = fleet.report
    await asyncio.to_thread(fleet.nodes[0].start)
    up = await until(lambda: fleet.status("node1") == "UP", 10)
    report.check("node 1 comes back", up, fleet.status("node1"))
    fleet.publish(1)
    newcomers = fleet.subscribe(10)
    heard = await until(lambda: all(one.visits and one.visits[-1].node == "node1"
                                    for one in newcomers), 10)
    shares = collections.Counter(one.visits[-1].node if one.visits else None for one in newcomers)
    report.check("and gets the newcomers, since it has the fewest", heard, shares)


async def run(binary, report):
    """The whole restart."""
    fleet = Fleet(binary, report)
    try:
        if await begin(fleet):
            sent = await drain(fleet)
            judge_closes(fleet, sent)
            await judge_return(fleet)
            await judge_messages(fleet)
            await come_back(fleet)
    except (RuntimeError, KeyError, IndexError, OSError) as error:
        report.fail("the run", f"{type(error).__name__}: {error}\n{fleet.log_text()}")
    finally:
        if report.failed and report.verbose:
            for node in fleet.nodes:
                report.debug(node.log_text())
        await fleet.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", help="the altavoz binary")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    exit_on_signals()
    raise_descriptor_limit()
    report = Report(options.verbose)
    try:
        import websockets  # noqa: F401
    except ImportError:
        report.skip("HAProxy", f"Python's websockets is missing: {places.SETUP_HINT}")
        return report.finish()
    if missing := Haproxy.missing():
        report.skip("HAProxy", missing)
        return report.finish()
    end_at_the_latest(RUN_SECONDS_MAX, report)
    asyncio.run(run(options.binary, report))
    return report.finish(skipped=False)


if __name__ == "__main__":
    places.use_venv()
    sys.exit(main())
