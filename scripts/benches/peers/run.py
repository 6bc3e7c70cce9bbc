#!/usr/bin/env python3
"""Other people's servers beside the node: the same generator, the same load, in turns, one table.

Use it through scripts/bench peers. A server that is not there is named and left out; every run ends
by itself; each report and the table are kept under target/bench.
"""

import argparse
import os
import re
import shlex
import sys
import time

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

import rig  # noqa: E402
from peers import servers, tables  # noqa: E402
from peers.servers import Missing  # noqa: E402
from peers.tables import Seen  # noqa: E402

OUR_OWN = ("epoll", "uring")
SIZE_BYTES = 64
# The generator's stamp, which each payload carries.
SIZE_BYTES_MIN = 60
# What may be under way to one subscriber: half of what the node lets wait for it.
IN_FLIGHT_BYTES_MAX = 512 * 1024
# How long connections are held, and how long a server is looked at before the first one.
HOLD_SECONDS = 3
ALONE_SECONDS = 1
# What a run takes besides: the starts of server and generator, and their ends.
AROUND_SECONDS = 1.5
CONNECTS_PER_SECOND = 4_000


class Load:
    """What is measured for one set of tables: everything with the usual payload, or the closed loop
    alone with another one."""

    def __init__(self, options, size, is_whole):
        self.options = options
        self.size = size
        self.is_whole = is_whole
        self.figures = tables.ALL if is_whole else tables.CLOSED_LOOP

    def takes(self, arm):
        return self.size <= arm.size_max

    def windows(self, arm):
        return [window for window in arm.windows
                if window == 1 or window * self.size <= IN_FLIGHT_BYTES_MAX]

    def flags(self):
        return ["--clients", str(self.options.clients), "--size", str(self.size), "--warmup",
                self.options.warmup, "--duration", self.options.duration]

    def foreseen(self, arm):
        """About how long a round of a server takes."""
        one = (seconds(self.options.warmup) + seconds(self.options.duration) + AROUND_SECONDS
               + self.options.clients / CONNECTS_PER_SECOND)
        idle = (ALONE_SECONDS + HOLD_SECONDS + AROUND_SECONDS
                + self.options.idle / CONNECTS_PER_SECOND)
        runs = len(self.windows(arm)) + self.is_whole
        return runs * one + idle * (self.is_whole and not arm.is_kept)

    def words(self):
        options = self.options
        besides = (f"timetable of {options.rate} publications/s, {options.idle:,} idle connections"
                   if self.is_whole else "closed loop alone")
        return f"{options.clients:,} subscribers, {self.size:,} bytes, {besides}"


def measure(arm, seen, load, number):
    """One round of one server, with a fresh start of it for each run."""
    seen.begin()
    if load.is_whole and not arm.is_kept:
        idle(arm, seen, load, number)
    for window in load.windows(arm):
        fast(arm, seen, load, window, number)
    if load.is_whole:
        timetable(arm, seen, load, number)


def idle(arm, seen, load, number):
    """Connections as fast as they go, which are then only held."""
    with arm.start() as server:
        before, _ = scheduled_us(server.pids)
        time.sleep(ALONE_SECONDS)
        alone = (scheduled_us(server.pids)[0] - before) / ALONE_SECONDS
        report = generate("connect", server, arm, load, f"idle-{number}", "--clients",
                          str(load.options.idle), "--hold", f"{HOLD_SECONDS}s")
    seen.count("idle", report)
    connect, rest = report["connect"], report["idle"]
    first, held = connect["server_cpu_per_connect_us"], rest["server_cpu_percent"]
    if first is None or held is None or not connect["connected"]:
        return
    # What a protocol does behind 101 is done while they are held; some have timers that tick
    # although nobody is there.
    behind = max(0, held / 100 * 1e6 - alone) * HOLD_SECONDS / connect["connected"]
    seen.note(handshake=first + behind, memory=report["memory"]["server_per_connection_bytes"])


def fast(arm, seen, load, window, number):
    """As many publications as are taken, with so many under way."""
    with arm.start() as server:
        before = scheduled_us(server.pids)
        report = generate("fanout", server, arm, load, f"fast-{window}-{number}", *load.flags(),
                          "--in-flight", str(window))
        ran, waited = (b - a for a, b in zip(before, scheduled_us(server.pids)))
    seen.count(f"{window} in flight", report)
    total = report["total"]
    seen.note(**{f"rate_{window}": total["deliveries_per_second"],
                 f"cpu_{window}": total["server_cpu_per_delivery_us"]})
    if window == max(load.windows(arm)):
        seen.busy.append((total["server_cpu_percent"], total["generator_cpu_percent"]))
        if ran:
            seen.waited.append(100 * waited / (ran + waited))


def timetable(arm, seen, load, number):
    """Publications on a timetable, for latency."""
    with arm.start() as server:
        report = generate("fanout", server, arm, load, f"timetable-{number}", *load.flags(), "--rate",
                          str(load.options.rate))
    seen.count("timetable", report)
    latency = report["total"]["latency"]
    if latency["count"]:
        seen.note(p50=latency["p50_us"] / 1000, p99=latency["p99_us"] / 1000)


def generate(command, server, arm, load, name, *flags):
    return rig.loadgen(command, server, *arm.flags(load.size), *flags,
                       name=f"peers-{slug(arm.name)}-{load.size}-{name}")


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


def present(arms):
    """Those that can be had here, and why the others cannot."""
    there, missing = {}, {}
    for key, arm in arms.items():
        try:
            with arm.start():
                there[key] = arm
        except Missing as why:
            missing[arm.name] = str(why)
            print(f"left out: {arm.name}: {why}", flush=True)
    return there, missing


def look(arms, missing, load, clock):
    """All rounds; another server begins each time, so that none has always the quiet minute."""
    found = {key: Seen(arm) for key, arm in arms.items() if load.takes(arm)}
    for number in range(load.options.pairs):
        keys = list(found)
        shift = number % max(1, len(keys))
        for key in keys[shift:] + keys[:shift]:
            began = time.monotonic()
            try:
                measure(arms[key], found[key], load, number)
            # A server that cannot be spoken to shall not take the others' figures with it.
            except (Missing, SystemExit) as why:
                missing[arms[key].name] = str(why)
                del found[key]
            print(f"round {number + 1} of {load.options.pairs}: {arms[key].name}, {load.size:,} "
                  f"bytes, {time.monotonic() - began:.0f} s; "
                  f"{clock.after(load.foreseen(arms[key]))}", file=sys.stderr, flush=True)
    return found


class Clock:
    """How long it takes: as foreseen, and by what has passed of that."""

    def __init__(self, foreseen):
        self.foreseen = foreseen
        self.done = 0
        self.began = time.monotonic()

    def after(self, foreseen):
        """What is left behind something that was foreseen to take so long."""
        self.done += foreseen
        pace = (time.monotonic() - self.began) / self.done
        return f"about {minutes(pace * (self.foreseen - self.done))} left"


def minutes(seconds):
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(0, seconds):.0f} s"


def seconds(text):
    """A time as loadgen takes it."""
    units = {"ms": 0.001, "s": 1, "m": 60}
    found = re.fullmatch(r"([0-9.]+)(ms|s|m)", text)
    if not found:
        rig.fail(f"{text}: a time is wanted, such as 500ms, 2s or 1m")
    return float(found[1]) * units[found[2]]


def write(found, missing, load):
    options = load.options
    ours = found.get(tables.OURS)
    lines = [f"{rig.machine()}, {time.strftime('%Y-%m-%d')}: scripts/bench peers "
             f"{shlex.join(sys.argv[1:])}",
             f"{load.words()}, {options.duration} a run, median of {options.pairs} rounds; server on "
             f"core 0, generator on core 1; in brackets the ratio to "
             f"{ours.name if ours else 'nothing, since our own did not run'}",
             *tables.of(found, load.figures)]
    lines += [""] * bool(missing) + [f"left out: {name}: {why}" for name, why in missing.items()]
    lines += [""] * any(seen.limits for seen in found.values())
    for seen in found.values():
        lines += [f"{seen.name}, {what}: {text}" for what, text in seen.limits]
    text = "\n".join(lines)
    print(f"\n{text}")
    os.makedirs(rig.RESULTS, exist_ok=True)
    name = "peers.md" if load.is_whole else f"peers-{load.size}.md"
    with open(os.path.join(rig.RESULTS, name), "w") as file:
        file.write(text + "\n")


def arms_of(options):
    usual = servers.PLAIN if options.sizes else servers.ARMS
    arms = {key: servers.ARMS[key]() for key in options.only or usual}
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
    parser.add_argument("--sizes", nargs="+", type=int, default=[], metavar="BYTES",
                        help="the closed loop alone, with payloads of each of these sizes, by "
                             "default of those that send them as they are: "
                             f"{', '.join(servers.PLAIN)}")
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
    if any(not SIZE_BYTES_MIN <= size <= servers.Arm.size_max for size in options.sizes):
        rig.fail(f"--sizes: a payload has {SIZE_BYTES_MIN} to {servers.Arm.size_max} bytes")
    loads = [Load(options, size, is_whole=False) for size in options.sizes]
    broken = look_at_all(arms_of(options), loads or [Load(options, SIZE_BYTES, is_whole=True)])
    # Other people's losses are a result; ours are a defect.
    if broken:
        rig.fail(f"not everything arrived once and in order: {', '.join(broken)}")
    return 0


def look_at_all(arms, loads):
    """A set of tables for each load; gives back those of our own that lost something."""
    arms, missing = present(arms)
    if not arms:
        rig.fail("nothing can be measured")
    rounds = loads[0].options.pairs
    foreseen = rounds * sum(load.foreseen(arm) for load in loads for arm in arms.values()
                            if load.takes(arm))
    print(f"{len(arms)} servers, {rounds} rounds: about {minutes(foreseen)}", flush=True)
    clock, broken = Clock(foreseen), []
    for load in loads:
        found = look(arms, missing, load, clock)
        write(found, missing, load)
        broken += [f"{found[key].name} with {load.size:,} bytes" for key in OUR_OWN
                   if key in found and not found[key].is_whole()]
    return broken


if __name__ == "__main__":
    sys.exit(main())
