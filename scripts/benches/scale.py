"""The benches of size: a million WebSockets on one node, and clients that come and go for minutes."""

import http.client
import json
import os
import signal
import subprocess
import tempfile
import time
from urllib.request import urlopen

import rig
from rig import Table, deliveries, loadgen, node

MIB = 1024 * 1024
# How long a million may take to come in, and to be closed.
PATIENCE_S = 300
# Idle time in which the node's CPU is read, and the others' load beside it.
IDLE_S = 20
OTHERS = ["--topic", "others", "--clients", "1000", "--rate", "10", "--warmup", "2s", "--duration", "10s"]


def million(options):
    """A million WebSockets on one node and one port: set-up, memory, three publications to all."""
    clients = options.clients or 1_000_000
    table = Table(f"{clients:,} WebSockets on one node, one port and one shard; io_uring at both ends; "
                  f"descriptor limit {rig.descriptors():,}; node on core 0, generator on core 1")
    flags = ["--driver", "uring", "--shards", "1", "--max-connections", str(clients + 5_000),
             "--ping-interval", "60s", "--pong-timeout", "30s"]
    table.note("node " + " ".join(flags))
    with node(*flags) as running:
        before = running.rss()
        alone = loadgen("fanout", running, *OTHERS, cores="1")
        report, idle, beside, held, closes = with_many(running, clients)
    enter_million(table, clients, report, held - before)
    table.row("idle: CPU of the node, pings and pongs of all in it", f"{idle:.1f} % of a core")
    if beside is None:
        table.row("1,000 others at 10/s beside them", "not measured: they were not all there", "", False)
    else:
        p99 = [one["total"]["latency"]["p99_us"] for one in (alone, beside)]
        table.row("1,000 others at 10/s: p99 beside them over alone",
                  f"{p99[1] / p99[0]:.2f}x ({p99[0]:,.0f} and {p99[1]:,.0f} µs)", "2x",
                  p99[1] <= 2 * p99[0])
        table.note(f"beside: {deliveries(beside)[1]}")
    table.note(f"closed before the publications: {closes}")
    return table


def with_many(running, clients):
    """The generator of them all, what the node does while they idle, and what others get meanwhile."""
    hold = 2 * IDLE_S + 60
    with tempfile.TemporaryDirectory() as directory:
        file = os.path.join(directory, "report.json")
        many = subprocess.Popen(
            rig.generator("fanout", running, "--driver", "uring", "--workers", "1", "--clients", str(clients),
                          "--rate", "0.05", "--messages", "3", "--warmup", "0", "--hold", f"{hold}s",
                          "--drain", "60s", "--json", file),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + PATIENCE_S
        while gauge(running, "altavoz_websockets") < clients and time.monotonic() < until \
                and many.poll() is None:
            time.sleep(0.5)
        is_complete = gauge(running, "altavoz_websockets") >= clients
        held = running.rss()
        began, cpu = time.monotonic(), running.cpu_ns()
        time.sleep(IDLE_S)
        idle = (running.cpu_ns() - cpu) / 1e7 / (time.monotonic() - began)
        beside = loadgen("fanout", running, *OTHERS, cores="1") if is_complete else None
        closes = counters(running, "altavoz_closed_total")
        _, errors = many.communicate()
        try:
            with open(file) as written:
                report = json.load(written)
        except FileNotFoundError:
            rig.fail(f"the generator gave no report: {errors}")
    return report, idle, beside, held, closes


def enter_million(table, clients, report, grown):
    connect, memory, total = report["connect"], report["memory"], report["total"]
    connected = connect["connected"]
    table.row("connected, upgraded and subscribed", f"{connected:,}", f"{clients:,}", connected == clients)
    table.row("set-up", f"{connect['seconds']:.1f} s, {connect['rate']:,.0f}/s")
    for why, count in connect["failures"].items():
        table.note(f"failed: {count:,} {why}")
    good, words = deliveries(report)
    table.row("three publications of 64 bytes", words, f"{3 * clients:,}",
              good and total["received"] == 3 * clients)
    for name, what in (("first", "to the first client"), ("last", "to the last client")):
        figures = total[name]
        table.row(f"from the publication {what}, median and max",
                  f"{figures['p50_us'] / 1e6:.3f} s, {figures['max_us'] / 1e6:.3f} s")
    each = grown / max(connected, 1)
    table.row("(RSS − RSS before the first) ÷ N", f"{each:.0f} bytes", "300 bytes", each <= 300)
    for name, what in (("server_bytes", "node, resident, at the end of the hold"),
                       ("generator_bytes", "generator, resident"), ("kernel_bytes", "kernel, both ends")):
        if memory[name] is not None:
            table.row(what, f"{memory[name] / MIB:,.0f} MiB, {memory[name] / max(connected, 1):,.0f} bytes each")
    for limit in report["limits"] + report["warnings"]:
        table.note(limit)


def parked(options):
    """A publication to 100,000 whose readers are stopped: over a bare loop of io_uring, and by two shards."""
    subscribers = options.clients or 100_000
    table = Table(f"one publication of 64 bytes to {subscribers:,} WebSockets, readers parked: from the POST to "
                  f"its answer, which comes when the last one was written to; io_uring, direct descriptors; "
                  f"median of {options.pairs} rounds")
    flags = ["--driver", "uring", "--max-connections", str(subscribers + 5_000)]
    servers = {"bare": lambda: rig.bare("--driver", "uring"),
               "one": lambda: node(*flags, "--shards", "1"),
               "two": lambda: node(*flags, "--shards", "2", cores="0-1")}
    took = {name: [] for name in servers}
    for number in range(options.pairs):
        # Another one begins each time, so that none has always the quiet minute.
        names = list(servers)
        for name in names[number % 3:] + names[:number % 3]:
            with servers[name]() as running:
                took[name].append(seconds_to_all(running, subscribers, 6))
    for what, ours, theirs, bar in (("one shard over the bare loop", "one", "bare", 1.15),
                                    ("two shards over one", "two", "one", 0.65)):
        ratios = [a / b for a, b in zip(took[ours], took[theirs])]
        ratio = rig.median(ratios)
        table.row(what, f"{ratio:.3f}x", f"{bar:.2f}x", ratio <= bar)
        table.note("rounds: " + ", ".join(f"{one:.3f}" for one in ratios))
    for name, seconds in took.items():
        table.note(f"{name}: {rig.median(seconds):.3f} s, {1e9 * rig.median(seconds) / subscribers:,.0f} ns a subscriber")
    return table


def seconds_to_all(running, subscribers, posts):
    """From a POST to its answer while nobody reads: the median of so many, after a first one."""
    readers = subprocess.Popen(
        rig.generator("connect", running, "--driver", "auto" if subscribers <= 10_000 else "uring", "--workers", "1",
                      "--clients", str(subscribers), "--hold", "120s"), stdout=subprocess.DEVNULL)
    connection = http.client.HTTPConnection(running.base.removeprefix("http://"))
    reached, until = 0, time.monotonic() + PATIENCE_S
    while reached != subscribers:
        if readers.poll() is not None or time.monotonic() > until:
            rig.fail(f"of {subscribers:,} subscribers {reached:,} came")
        time.sleep(1 if subscribers > 10_000 else 0.1)
        reached, _ = post(connection)
    readers.send_signal(signal.SIGSTOP)
    took = [post(connection)[1] for _ in range(1 + posts)]
    readers.kill()
    readers.wait()
    return rig.median(took[1:])


def post(connection):
    """How many subscribers a POST reached, and how long that took."""
    began = time.perf_counter()
    connection.request("POST", "/topics/loadgen", b"x" * 64)
    return json.load(connection.getresponse())["subscribers"], time.perf_counter() - began


def churn(options):
    """Clients that vanish by FIN, reset and silence for minutes: everything is given back."""
    table = None
    for driver in options.drivers:
        title = (f"churn, {driver}: 10,000 clients of 32 addresses, {options.churn_rate:,}/s vanish and come "
                 f"back for {options.churn_time}, one in fifty by silence (ping 5 s, pong 2 s)")
        if table is None:
            table = Table(title)
        else:
            table.note(title)
        flags = ["--driver", driver, "--ping-interval", "5s", "--pong-timeout", "2s"]
        with node(*flags, cores="0") as running:
            # What a first load leaves for good, such as buffers that are kept, is not the question.
            come_and_go(running, options.churn_rate, "20s")
            before = rested(running)
            for _ in range(options.churn_rounds):
                report = come_and_go(running, options.churn_rate, options.churn_time)
                enter_churn(table, driver, report, before, rested(running))
            table.note(f"closed: {counters(running, 'altavoz_closed_total')}")
    return table


def come_and_go(running, rate, length):
    return loadgen("fanout", running, "--clients", "100", "--crowd", "10000", "--rate", "10", "--warmup", "0",
                   "--source", "127.0.0.2-127.0.0.33", "--stage", f"vanish:{length}:{rate}", cores="1")


def enter_churn(table, driver, report, before, after):
    back = report["stages"][0]["back"]
    seconds = report["repeats"][0]["seconds"]
    table.row(f"{driver}: clients that vanished and came back", f"{back['cut']:,} and {back['back']:,}",
              "alike", back["cut"] == back["back"] > 0)
    table.row(f"{driver}: connections a second", f"{back['back'] / seconds:,.0f}")
    table.row(f"{driver}: the 100 others: {deliveries(report)[1]}", f"p99 "
              f"{report['total']['latency']['p99_us'] / 1e3:.1f} ms", "all", deliveries(report)[0])
    for name in ("descriptors", "rings", "direct descriptors", "connections", "subscriptions", "topics", "outbox"):
        table.row(f"{driver}: {name} before and after", f"{before[name]} and {after[name]}", "alike",
                  before[name] == after[name])
    grown = after["rss"] - before["rss"]
    table.row(f"{driver}: RSS before and after", f"{before['rss'] / MIB:.1f} and {after['rss'] / MIB:.1f} MiB",
              "+1 MiB", grown <= MIB)
    for why, count in back["failures"].items():
        table.note(f"attempts that failed and were repeated: {count:,} {why}")
    for limit in report["limits"] + report["warnings"]:
        table.note(limit)


def rested(running):
    """What the node holds when nobody is connected but who asks."""
    until = time.monotonic() + 60
    while True:
        held = resources(running)
        if held["connections"] <= 1 or time.monotonic() > until:
            return held
        time.sleep(0.5)


def resources(running):
    """All of one moment, so that who asks is in each of them."""
    lines = metrics(running)
    return {name: summed(lines, f"altavoz_{metric}") for name, metric in (
        ("descriptors", "process_open_fds"), ("rings", "rings"), ("direct descriptors", "direct_descriptors"),
        ("connections", "connections"), ("subscriptions", "subscriptions"), ("topics", "topics"),
        ("outbox", "outbox_bytes"), ("rss", "process_resident_memory_bytes"))}


def gauge(running, name):
    return summed(metrics(running), name)


def summed(lines, name):
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split(" ")[0] == name))


def counters(running, name):
    """Those that are not zero, in words."""
    found = [line[len(name):].rsplit(" ", 1) for line in metrics(running) if line.startswith(name + "{")]
    return ", ".join(f"{labels.split(chr(34))[1]} {int(float(n)):,}" for labels, n in found if float(n)) or "none"


def metrics(running):
    with urlopen(running.base + "/metrics", timeout=30) as answer:
        return answer.read().decode().splitlines()
