#!/usr/bin/env python3
"""The benches of the whole: the node as a process, the generator as another, figures as ratios.

Use it through scripts/bench. Every run ends by itself; the reports are kept under target/bench.
"""

import argparse
import json
import os
import subprocess
import sys
import time

import before
import rig
import scale
from rig import Table, bare, deliveries, loadgen, median, node


# Who reads a topic in `readers`.
KINDS = ["longpoll", "sse", "stream", "ws"]
# Subscribers, bytes, publications in flight, and the bar for each driver.
FANOUT = [
    (1000, 64, 1, {"epoll": 1.05, "uring": 0.90}),
    (10000, 64, 1, {"epoll": 1.05, "uring": 0.90}),
    (1000, 1024, 1, {"epoll": 1.05, "uring": 0.90}),
    (10000, 1024, 1, {"epoll": 1.05, "uring": 0.90}),
    (1000, 64, 16, {"epoll": 0.08, "uring": 0.08}),
    (10000, 64, 16, {"epoll": 0.10, "uring": 0.10}),
]


def fanout(options):
    """CPU per delivery against the bare loop, with each driver, interleaved."""
    table = Table("fan-out: CPU per delivery of the node over that of the bare loop with one "
                  f"publication in flight, median of {options.pairs} rounds; server on core 0, "
                  "generator on core 1")
    for clients, size, window, bars in FANOUT:
        costs, rates = {"bare": []}, {}
        for number in range(options.pairs):
            arms = [("bare", bare, 1)] + [(driver, with_driver(driver), window)
                                          for driver in options.drivers]
            # Another one begins each time, so that none has always the quiet minute.
            shift = number % len(arms)
            for name, server, flight in arms[shift:] + arms[:shift]:
                total = one_fanout(server, clients, size, flight, options,
                                   f"fanout-{name}-{clients}-{size}-{window}-{number}")
                costs.setdefault(name, []).append(total["server_cpu_per_delivery_us"])
                rates.setdefault(name, []).append(total["deliveries_per_second"])
        for driver in options.drivers:
            ratios = [ours / theirs for ours, theirs in zip(costs[driver], costs["bare"])]
            bar = bars[driver]
            table.row(f"{driver}: {clients} subscribers, {size} bytes, {window} in flight",
                      f"{median(ratios):.3f}x", f"{bar:.2f}x", median(ratios) <= bar)
            table.note(f"node {1000 * median(costs[driver]):.0f} ns, bare loop "
                       f"{1000 * median(costs['bare']):.0f} ns a delivery; ratios "
                       f"{', '.join(f'{r:.3f}' for r in ratios)}; "
                       f"{median(rates[driver]):,.0f} deliveries/s")
        if len(options.drivers) == 2:
            pairs = zip(costs[options.drivers[1]], costs[options.drivers[0]])
            table.note(f"{options.drivers[1]} over {options.drivers[0]}: "
                       f"{median([a / b for a, b in pairs]):.3f}x")
    return table


def with_driver(driver):
    """Starts a node with this driver."""
    return lambda: node("--driver", driver)


def one_fanout(server, clients, size, window, options, name=None):
    with server() as running:
        report = loadgen("fanout", running, "--clients", str(clients), "--size", str(size),
                         "--in-flight", str(window), "--warmup", options.warmup,
                         "--duration", options.duration, name=name)
    good, words = deliveries(report)
    if not good:
        rig.fail(words)
    return report["total"]


def latency(options):
    """40 publications/s to 1,000 subscribers, beside the bare loop."""
    table = Table("latency: 40 publications/s to 1,000 subscribers, 64 bytes, open loop, "
                  f"median of {options.pairs} rounds")
    servers = {"bare loop": bare} | {driver: with_driver(driver) for driver in options.drivers}
    seen = {name: [] for name in servers}
    for _ in range(options.pairs):
        for name, server in servers.items():
            with server() as running:
                report = loadgen("fanout", running, "--clients", "1000", "--rate", "40",
                                 "--warmup", "2s", "--duration", options.duration)
            seen[name].append(report["total"]["latency"])
    for driver in options.drivers:
        for name in ("p50", "p99"):
            ours, theirs = (median(latency[f"{name}_us"] / 1000 for latency in seen[server])
                            for server in (driver, "bare loop"))
            table.row(f"{driver}: {name} of all deliveries",
                      f"node {ours:.3f} ms, bare loop {theirs:.3f} ms, {ours / theirs:.2f}x")
    return table


def handshake(options):
    """CPU of a connection: accept, upgrade, subscribe, 101."""
    table = Table(f"handshake: 5,000 connections as fast as they go, median of {options.pairs} runs")
    seen = {driver: [] for driver in options.drivers}
    for _ in range(options.pairs):
        for driver, connects in seen.items():
            with node("--driver", driver) as running:
                report = loadgen("connect", running, "--clients", "5000", "--hold", "1s")
            connects.append(report["connect"])
    for driver, connects in seen.items():
        cost, rate, generator = (median(connect[name] for connect in connects) for name in
                                 ("server_cpu_per_connect_us", "rate", "generator_cpu_percent"))
        table.row(f"{driver}: server CPU a handshake", f"{cost:.1f} us", "21 us", cost <= 21)
        table.note(f"{rate:,.0f} connections/s; generator at {generator:.0f} % of its core")
    return table


def shards(options):
    """Two shards against one: cost, and rate with the generator not pinned."""
    table = Table(f"shards: two against one, 1,000 subscribers, median of {options.pairs} pairs; "
                  "the generator is not pinned")
    cpu = two_against_one(table, options, "server_cpu_per_delivery_us", "--rate", "100")
    table.row("CPU per delivery, 100 publications/s", f"{median(cpu):.3f}x", "1.05x",
              median(cpu) <= 1.05)
    for window, topics in ((1, 1), (16, 16)):
        rate = two_against_one(table, options, "deliveries_per_second", "--topics", str(topics),
                               "--in-flight", str(window))
        table.row(f"deliveries/s read, {topics} topics, {window} in flight", f"{median(rate):.2f}x",
                  "1.3x", median(rate) >= 1.3)
    rate = [written(1) / written(2) for _ in range(options.pairs)]
    table.row("deliveries/s written, 10,000 subscribers, readers parked", f"{median(rate):.2f}x",
              "1.3x", median(rate) >= 1.3)
    return table


def written(shards):
    """Seconds until 10,000 subscribers whose readers are parked were written to."""
    with node("--shards", str(shards), cores="0-1") as running:
        return scale.seconds_to_all(running, 10_000, 30)


def two_against_one(table, options, figure, *flags):
    """The figure with two shards over the figure with one, pair by pair."""
    ratios = []
    for _ in range(options.pairs):
        totals = {}
        for count in (1, 2):
            with node("--shards", str(count), cores="0-1") as running:
                report = loadgen("fanout", running, "--clients", "1000", *flags, "--warmup",
                                 options.warmup, "--duration", options.duration, cores="0-1")
                totals[count] = report["total"]
                if count == 2 and not ratios:
                    table.note(f"spread: {spread(running)}")
        ratios.append(totals[2][figure] / totals[1][figure])
    one, two = totals[1], totals[2]
    if figure == "deliveries_per_second":
        work = one["server_cpu_per_delivery_us"], one["generator_cpu_per_delivery_us"]
        table.note(f"reading costs {work[1] / work[0]:.2f} of sending: on two cores that do both, at "
                   f"most {2 * max(work) / sum(work):.2f}x can be won")
    table.note(f"last pair: one shard {one['server_cpu_percent']:.0f} % and generator "
               f"{one['generator_cpu_percent']:.0f} % of a core, two shards "
               f"{two['server_cpu_percent']:.0f} % and {two['generator_cpu_percent']:.0f} %")
    return ratios


def spread(server):
    from urllib.request import urlopen
    text = urlopen(server.base + "/metrics").read().decode()
    lines = [line for line in text.splitlines()
             if line.startswith(("altavoz_shard_deliveries_total", "altavoz_shard_topics"))]
    return "; ".join(lines) or "no per-shard lines"


def memory(options):
    """Memory of an idle WebSocket at 15,000."""
    table = Table("memory: 15,000 idle WebSockets on one topic")
    for driver in options.drivers:
        with node("--driver", driver, cores="0-1") as running:
            report = loadgen("connect", running, "--clients", "15000", "--hold", "5s", cores="0-1",
                             name=f"memory-{driver}")
        memory = report["memory"]
        each = memory["server_per_connection_bytes"]
        table.row(f"{driver}: server RSS a connection", f"{each:.0f} bytes", "450 bytes", each <= 450)
        for key, value in memory.items():
            if value is not None:
                table.note(f"{key}: {value:,.0f}" if isinstance(value, (int, float)) else f"{key}: {value}")
    return table


def complete(options):
    """Nothing lost, duplicated or reordered at size."""
    table = Table("completeness, 30 s each")
    runs = [
        ("15,000 subscribers, one topic, 4/s",
         ["--clients", "15000", "--rate", "4", "--duration", "30s"]),
        ("1,000 topics of 15 subscribers, 0.25/s a topic",
         ["--clients", "15000", "--topics", "1000", "--rate", "250", "--duration", "30s"]),
        ("200 publishers on a topic of 500, 100/s",
         ["--clients", "500", "--publishers", "200", "--rate", "100", "--duration", "30s"]),
    ]
    for label, flags in runs:
        with node(cores=None) as running:
            report = loadgen("fanout", running, *flags, cores=None, name=f"complete-{flags[1]}")
        good, words = deliveries(report)
        table.row(label, words, "all, once, in order", good)
        total = report["total"]
        table.note(f"p50 {total['latency']['p50_us'] / 1000:.2f} ms, p99 "
                   f"{total['latency']['p99_us'] / 1000:.2f} ms, server "
                   f"{total['server_cpu_percent']:.0f} % of a core")
    return table


def readers(options):
    """Thousands of readers of each kind on one topic, and what the node has for each kind."""
    each = options.clients or 4_000
    table = Table(f"readers: {each:,} of each of {', '.join(KINDS)} on one topic, 1 publication/s "
                  "for 60 s, all at once")
    for driver in options.drivers:
        table.note(f"{driver} at both ends")
        flags = ["--driver", driver, "--max-connections", str(len(KINDS) * each + 5_000)]
        enter_readers(table, driver, flags, each)
        for kind in KINDS:
            enter_reader(table, kind, driver, flags, each)
    return table


def enter_readers(table, driver, flags, each):
    with node(*flags, cores=None) as running:
        report = loadgen("fanout", running, "--driver", driver, "--source", "127.0.0.2-127.0.0.9",
                         "--transports", ",".join(KINDS), "--clients", str(len(KINDS) * each),
                         "--rate", "1", "--duration", "60s", "--warmup", "5s", cores=None,
                         name=f"readers-{driver}")
    for arm in report["arms"]:
        got, traffic = arm["deliveries"], arm["traffic"]
        good = (got["received"] == got["expected"] == each * 60 and not
                got["lost"] + got["duplicated"] + got["reordered"] + got["unrecovered"])
        table.row(arm["name"], f"delivered {got['received']:,} of {got['expected']:,}, lost "
                  f"{got['lost']}, duplicated {got['duplicated']}, reordered {got['reordered']}",
                  "all, once, in order", good)
        wire = (traffic["wire"] or {}).get("bytes_per_delivery")
        wire = "" if wire is None else f" and {wire:.0f} bytes on the wire"
        table.note(f"staleness p50 {got['staleness']['p50_us'] / 1000:.1f} ms, p99 "
                   f"{got['staleness']['p99_us'] / 1000:.1f} ms; "
                   f"{traffic['requests_per_delivery'] or 0:.3f} requests{wire} a delivery")


def enter_reader(table, kind, driver, flags, each):
    with node(*flags, cores="0-1") as running:
        report = loadgen("connect", running, "--driver", driver, "--transports", kind, "--clients",
                         str(each), "--hold", "5s", cores="0-1", name=f"readers-{driver}-{kind}")
    memory = report["memory"]
    bytes_each = memory["server_per_connection_bytes"]
    table.row(f"server RSS for a held {kind}", f"{bytes_each:.0f} bytes", "450 bytes",
              report["connect"]["connected"] == each and bytes_each <= 450)
    if memory["kernel_per_connection_bytes"]:
        table.note(f"kernel, both ends: {memory['kernel_per_connection_bytes']:,.0f} bytes; "
                   f"generator: {memory['generator_per_connection_bytes']:,.0f} bytes")


def slow(options):
    """1,000 of 5,000 subscribers never read while 10,000 publications of 1 KiB pass."""
    table = Table("slow consumers: 1,000 of 5,000 never read, 10,000 publications of 1 KiB")
    with node(cores=None, log="warn") as running:
        before = running.rss()
        report = loadgen("fanout", running, "--clients", "5000", "--slow-readers", "1000",
                         "--size", "1024", "--rate", "250", "--duration", "40s", "--warmup", "1s",
                         "--resume-after", "30s", "--drain", "20s", cores=None, name="slow")
        from urllib.request import urlopen
        metrics = urlopen(running.base + "/metrics").read().decode()
        code, errors = running.stop(rig.END_SECONDS), running.errors()
    good, words = deliveries(report)
    table.row("the others", words, "all, once, in order", good)
    slow_closes = sum(float(line.split()[-1]) for line in metrics.splitlines()
                      if line.startswith("altavoz_closed_total") and "slow_consumer" in line)
    named = errors.count("closed a slow consumer")
    table.row("slow ones counted", f"{slow_closes:.0f}", "1,000", slow_closes == 1000)
    table.row("slow ones named in the log", f"{named}", "1,000", named == 1000)
    # What waits is shared: one copy of the newest outboxful, and 16 bytes a publication and outbox.
    growth = (report["server_rss_peak_bytes"] - before) / MIB
    table.row("RSS above what it was", f"{growth:.1f} MiB", "64 MiB", growth <= 64)
    # Of one that never reads: 64 KiB at the node (the mark of unsent bytes and the send that crossed
    # it), and what its own receive buffer takes, which lies on the same host here.
    kernel = max(s["sockets"]["buffer_bytes"] for s in report["run"]["samples"] if s["sockets"]) / MIB
    table.row("kernel's TCP memory at most", f"{kernel:.0f} MiB", "320 MiB", kernel <= 320)
    resumed(table)
    return table


def resumed(table):
    """Readers who resume within the linger of 5 s: 1 MiB fills in 4.2 s at 250 KiB/s."""
    with node(cores=None) as running:
        report = loadgen("fanout", running, "--clients", "200", "--slow-readers", "100",
                         "--size", "1024", "--rate", "250", "--duration", "12s", "--warmup", "0s",
                         "--resume-after", "8s", cores=None, name="resumed")
    told = report["slow_closes"]
    table.row("100 that resume within the linger: closes", words_of(told), "4008 100",
              told.get("4008") == 100)
    table.note(f"whole messages that they read before: {report['slow_messages']:,}")


def storm(options):
    """15,000 clients cut at once and back with jitter."""
    table = Table("storm: 15,000 clients cut at once, back within 5 s of jitter, 100 bystanders")
    with node(cores=None) as running:
        report = loadgen("connect", running, "--clients", "15000", "--storm", "--jitter", "5s",
                         "--bystanders", "100", "--rate", "10", "--hold", "2s", cores=None, name="storm")
    for key, value in report["storm"].items():
        table.row(key, words_of(value))
    return table


def words_of(value):
    if not isinstance(value, dict):
        return value
    if "p99_us" not in value:
        return ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
    return ", ".join(f"{name} {value[f'{name}_us'] / 1000:.1f} ms" for name in ("p50", "p99", "max"))


MIB = 1024 * 1024

BENCHES = {b.__name__: b for b in (fanout, latency, handshake, shards, memory, readers, complete, slow, storm)}
# Not of `all`: they take the whole machine, many minutes, or another build.
LARGE = {b.__name__: b for b in (before.before, scale.million, scale.parked, scale.churn)}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    known = BENCHES | LARGE
    parser.add_argument("bench", choices=[*known, "all"],
                        help="; ".join(f"{n}: {b.__doc__}" for n, b in known.items()))
    parser.add_argument("--pairs", type=int, default=5, help="runs of each side (default 5)")
    parser.add_argument("--duration", default="3s", help="measured time of a run (default 3s)")
    parser.add_argument("--warmup", default="1s", help="time before it (default 1s)")
    parser.add_argument("--drivers", nargs="+", default=["epoll", "uring"],
                        choices=["epoll", "uring"], help="of fanout, latency, handshake, memory, readers and churn (default both)")
    parser.add_argument("--binary", help="of before: the other build's altavoz")
    parser.add_argument("--clients", type=int, help="of million (default 1,000,000), parked (100,000) and readers "
                        "(4,000 of each kind)")
    parser.add_argument("--churn-rate", type=int, default=5_000, help="of churn: clients a second (default 5,000)")
    parser.add_argument("--churn-time", default="10m", help="of churn: how long (default 10m)")
    parser.add_argument("--churn-rounds", type=int, default=1,
                        help="of churn: how often, one behind the other on one node (default 1)")
    options = parser.parse_args()
    names = list(BENCHES) if options.bench == "all" else [options.bench]
    began = time.monotonic()
    tables = [known[name](options) for name in names]
    failed = sum(table.failed for table in tables)
    print(f"\n{sum(t.passed for t in tables)} bars held, {failed} missed, "
          f"{time.monotonic() - began:.0f} s; reports in {os.path.relpath(rig.RESULTS, os.getcwd())}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
