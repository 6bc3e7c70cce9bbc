#!/usr/bin/env python3
"""Other people's servers beside the node: the same generator, the same load, in turns, one table.

Use it through scripts/bench peers. A server that is not there is named and left out; every run ends
by itself; each report and the table are kept under target/bench.
"""

import argparse
import os
import shlex
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import rig
import servers
from rig import median
from servers import Missing

# What all others are in ratio to, if it runs.
OURS = "epoll"
OUR_OWN = ("epoll", "uring")
SIZE_BYTES = 64
# How long connections are held, and how long a server is looked at before the first one.
HOLD_SECONDS = 3
ALONE_SECONDS = 1
# A worker with less than this to spare has nothing to spare.
BUSY_PERCENT = 90

# Figure, heading, how it is written, and whether more of it is better.
FIGURES = [
    ("rate_1", "deliveries/s, 1 in flight", "{:,.0f}"),
    ("rate_16", "deliveries/s, 16 in flight", "{:,.0f}"),
    ("cpu_1", "CPU µs a delivery, 1 in flight", "{:.2f}"),
    ("cpu_16", "CPU µs a delivery, 16 in flight", "{:.2f}"),
    ("p50", "p50 ms", "{:.2f}"),
    ("p99", "p99 ms", "{:.2f}"),
    ("memory", "bytes an idle connection", "{:,.0f}"),
    ("handshake", "CPU µs a handshake", "{:.1f}"),
]


class Seen:
    """What was seen of one server: its figures round by round, its ledger, and what was the limit."""

    def __init__(self, version):
        self.version = version
        self.rounds = []
        self.expected = self.received = self.doubled = 0
        self.wanted = self.connected = 0
        self.busy = []
        self.waited = []
        self.limits = []

    def begin(self):
        self.rounds.append({})

    def note(self, **figures):
        self.rounds[-1].update({key: value for key, value in figures.items() if value is not None})

    def count(self, what, report):
        """Adds a run to the ledger, and keeps the generator's word on whether it is a result."""
        connect, total = report["connect"], report["total"]
        self.wanted += connect["connected"] + sum(connect["failures"].values())
        self.connected += connect["connected"]
        if total:
            self.expected += total["expected"]
            self.received += total["received"]
            self.doubled += total["duplicated"] + total["reordered"]
        self.limits += [(what, limit) for limit in report["limits"]]

    def values(self, figure):
        return [round[figure] for round in self.rounds if figure in round]

    def is_whole(self):
        return (self.received == self.expected > 0 and self.doubled == 0
                and self.connected == self.wanted > 0)


def measure(arm, seen, options, number):
    """One round of one server, with a fresh start of it for each run."""
    seen.begin()
    if not arm.is_kept:
        idle(arm, seen, options, number)
    for window in arm.windows:
        fast(arm, seen, options, window, number)
    timetable(arm, seen, options, number)


def idle(arm, seen, options, number):
    """Connections as fast as they go, which are then only held."""
    with arm.start() as server:
        before, _ = scheduled_us(server.pids)
        time.sleep(ALONE_SECONDS)
        alone = (scheduled_us(server.pids)[0] - before) / ALONE_SECONDS
        report = generate("connect", server, arm, f"idle-{number}", "--clients", str(options.idle),
                          "--hold", f"{HOLD_SECONDS}s")
    seen.count("idle", report)
    connect, rest = report["connect"], report["idle"]
    first, held = connect["server_cpu_per_connect_us"], rest["server_cpu_percent"]
    if first is None or held is None or not connect["connected"]:
        return
    # What a protocol does behind 101 is done while they are held; some have timers that tick
    # although nobody is there.
    behind = max(0, held / 100 * 1e6 - alone) * HOLD_SECONDS / connect["connected"]
    seen.note(handshake=first + behind, memory=report["memory"]["server_per_connection_bytes"])


def fast(arm, seen, options, window, number):
    """As many publications as are taken, with so many under way."""
    with arm.start() as server:
        before = scheduled_us(server.pids)
        report = generate("fanout", server, arm, f"fast-{window}-{number}", *load(options),
                          "--in-flight", str(window))
        ran, waited = (b - a for a, b in zip(before, scheduled_us(server.pids)))
    seen.count(f"{window} in flight", report)
    total = report["total"]
    seen.note(**{f"rate_{window}": total["deliveries_per_second"],
                 f"cpu_{window}": total["server_cpu_per_delivery_us"]})
    if window == max(arm.windows):
        seen.busy.append((total["server_cpu_percent"], total["generator_cpu_percent"]))
        if ran:
            seen.waited.append(100 * waited / (ran + waited))


def timetable(arm, seen, options, number):
    """Publications on a timetable, for latency."""
    with arm.start() as server:
        report = generate("fanout", server, arm, f"timetable-{number}", *load(options), "--rate",
                          str(options.rate))
    seen.count("timetable", report)
    latency = report["total"]["latency"]
    if latency["count"]:
        seen.note(p50=latency["p50_us"] / 1000, p99=latency["p99_us"] / 1000)


def load(options):
    return ["--clients", str(options.clients), "--size", str(SIZE_BYTES), "--warmup",
            options.warmup, "--duration", options.duration]


def generate(command, server, arm, name, *flags):
    return rig.loadgen(command, server, *arm.flags, *flags, name=f"peers-{slug(arm.name)}-{name}")


def scheduled_us(pids):
    """How long all threads of a server's processes ran, and how long they waited for a core that
    somebody else had."""
    ran = waited = 0
    for pid in pids:
        for task in os.listdir(f"/proc/{pid}/task"):
            try:
                with open(f"/proc/{pid}/task/{task}/schedstat") as stat:
                    on_core, in_queue, _ = map(int, stat.read().split())
            except OSError:
                continue  # it ended meanwhile
            ran, waited = ran + on_core / 1000, waited + in_queue / 1000
    return ran, waited


def slug(name):
    return "".join(c if c.isalnum() else "-" for c in name.lower())


def ratios(seen, ours, figure):
    """Of each round in which both have the figure."""
    if not ours:
        return []
    pairs = zip(seen.rounds, ours.rounds)
    return [a[figure] / b[figure] for a, b in pairs if figure in a and b.get(figure)]


def cell(seen, ours, figure, form):
    values = seen.values(figure)
    if not values:
        return "–"
    against = ratios(seen, ours, figure)
    ratio = f" ({short(median(against))}x)" if against and seen is not ours else ""
    return form.format(median(values)) + ratio


def short(ratio):
    """Two digits that say something."""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def limit(seen):
    """Who had nothing to spare in the runs with most in flight."""
    sides = [("server", [server for server, _ in seen.busy if server is not None]),
             ("generator", [generator for _, generator in seen.busy])]
    shares = [(name, median(values)) for name, values in sides if values]
    busy = " and ".join(name for name, share in shares if share >= BUSY_PERCENT) or "neither"
    words = [f"{name} {share:.0f} %" for name, share in shares]
    if seen.waited:
        words.append(f"waited {median(seen.waited):.0f} %")
    return f"{busy} ({', '.join(words)})"


def table(found, options):
    """Rows of Markdown, so that they can stand in a document as they are."""
    ours = found.get(OURS)
    heads = ["server", "version", *(heading for _, heading, _ in FIGURES), "delivered of expected",
             "connected of wanted", "limit"]
    rows = [heads, ["---"] * len(heads)]
    for name, seen in found.values_with_names():
        wrong = f", {seen.doubled:,} doubled or out of order" if seen.doubled else ""
        rows.append([name, seen.version, *(cell(seen, ours, figure, form)
                                           for figure, _, form in FIGURES),
                     f"{seen.received:,} of {seen.expected:,}{wrong}",
                     f"{seen.connected:,} of {seen.wanted:,}", limit(seen)])
    return ["| " + " | ".join(row) + " |" for row in rows]


def spread(found):
    """The range of each ratio, since a difference within it is none."""
    ours = found.get(OURS)
    rows = [["server", *(heading for _, heading, _ in FIGURES)], ["---"] * (len(FIGURES) + 1)]
    for name, seen in found.values_with_names():
        if seen is ours:
            continue
        against = [ratios(seen, ours, figure) for figure, _, _ in FIGURES]
        rows.append([name, *(f"{short(min(each))} to {short(max(each))}" if each else "–"
                             for each in against)])
    return ["| " + " | ".join(row) + " |" for row in rows]


class Found(dict):
    """What was seen, by the key of its server, and the servers' names."""

    def __init__(self):
        super().__init__()
        self.names = {}

    def values_with_names(self):
        return [(self.names[key], seen) for key, seen in self.items()]


def look(arms, options):
    """All rounds; another server begins each time, so that none has always the quiet minute."""
    found, missing = Found(), {}
    for key, arm in list(arms.items()):
        try:
            with arm.start():
                found[key] = Seen(arm.version())
                found.names[key] = arm.name
        except Missing as why:
            missing[arm.name] = str(why)
            print(f"left out: {arm.name}: {why}", flush=True)
    for number in range(options.pairs):
        keys = list(found)
        shift = number % max(1, len(keys))
        for key in keys[shift:] + keys[:shift]:
            began = time.monotonic()
            try:
                measure(arms[key], found[key], options, number)
            # A server that cannot be spoken to shall not take the others' figures with it.
            except (Missing, SystemExit) as why:
                missing[arms[key].name] = str(why)
                del found[key]
            print(f"round {number + 1} of {options.pairs}: {arms[key].name}, "
                  f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return found, missing


def write(found, missing, options):
    lines = [f"{rig.machine()}, {time.strftime('%Y-%m-%d')}",
             f"{options.clients:,} subscribers, {SIZE_BYTES} bytes, timetable of {options.rate} "
             f"publications/s, {options.idle:,} idle connections, {options.duration} a run, median of "
             f"{options.pairs} rounds; server on core 0, generator on core 1; in brackets the ratio "
             f"to {found.names[OURS] if OURS in found else 'nothing, since our own did not run'}", "",
             *table(found, options)]
    if OURS in found:
        lines += ["", "Range of the ratios", "", *spread(found)]
    lines += [""] * bool(missing) + [f"left out: {name}: {why}" for name, why in missing.items()]
    lines += [""] * any(seen.limits for seen in found.values())
    for name, seen in found.values_with_names():
        lines += [f"{name}, {what}: {text}" for what, text in seen.limits]
    text = "\n".join(lines)
    print(f"\n{text}")
    os.makedirs(rig.RESULTS, exist_ok=True)
    with open(os.path.join(rig.RESULTS, "peers.md"), "w") as file:
        file.write(text + "\n")


def arms_of(options):
    arms = {key: servers.ARMS[key]() for key in options.only or servers.ARMS}
    for given in options.peer:
        name, _, url = given.partition("=")
        if not name or not url.startswith(("ws://", "wss://")):
            rig.fail(f"--peer {given}: NAME=ws://HOST:PORT/PATH is wanted")
        if name in servers.ARMS:
            rig.fail(f"--peer {given}: {name} is one of ours, give it another name")
        arms[name] = servers.named(name, url, of_peer(name, options.peer_pid, split_pids),
                                   of_peer(name, options.peer_flags, shlex.split))
    for given in options.peer_pid + options.peer_flags:
        if given.partition("=")[0] not in arms:
            rig.fail(f"{given}: there is no --peer of this name")
    return arms


def of_peer(name, given, parse):
    """What several NAME=VALUE say of one name."""
    values = [each.partition("=")[2] for each in given if each.partition("=")[0] == name]
    return [part for value in values for part in parse(value)]


def split_pids(text):
    pids = text.split(",")
    gone = [pid for pid in pids if not pid.isdigit() or not os.path.exists(f"/proc/{pid}")]
    if gone:
        rig.fail(f"--peer-pid: no process on this host has the number {gone[0] or text!r}")
    return [int(pid) for pid in pids]


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench peers", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(servers.ARMS), metavar="NAME",
                        help=f"these of {', '.join(servers.ARMS)} (default all)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=URL",
                        help="a server that runs already and sends what a client of a path sends to "
                             "all clients of it; repeatable")
    parser.add_argument("--peer-pid", action="append", default=[], metavar="NAME=PID[,PID]",
                        help="its processes, if they are on this host: for its CPU")
    parser.add_argument("--peer-flags", action="append", default=[], metavar="NAME='FLAGS'",
                        help="flags of loadgen that it needs, such as --on-open or --message")
    parser.add_argument("--pairs", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--clients", type=int, default=1000, help="subscribers (default 1,000)")
    parser.add_argument("--idle", type=int, default=5000, help="idle connections (default 5,000)")
    parser.add_argument("--rate", type=int, default=10,
                        help="publications/s of the timetable (default 10)")
    parser.add_argument("--duration", default="3s", help="measured time of a run (default 3s)")
    parser.add_argument("--warmup", default="1s", help="time before it (default 1s)")
    options = parser.parse_args()
    for name in ("pairs", "clients", "idle", "rate"):
        if getattr(options, name) < 1:
            rig.fail(f"--{name} must be 1 or more")
    found, missing = look(arms_of(options), options)
    write(found, missing, options)
    # Other people's losses are a result; ours are a defect.
    broken = [found.names[key] for key in OUR_OWN if key in found and not found[key].is_whole()]
    if broken:
        rig.fail(f"not everything arrived once and in order: {', '.join(broken)}")
    if not found:
        rig.fail("nothing was measured")
    return 0


if __name__ == "__main__":
    sys.exit(main())
