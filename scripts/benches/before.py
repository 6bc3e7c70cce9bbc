"""This build of the node against another one, by this build's generator: what a change costs.

Owns the pairs and their ratios: both builds in turns, and each pair begins with the other one.
"""

from rig import Table, deliveries, fail, loadgen, median, node

# Subscribers, bytes, publications in flight.
CELLS = [(1000, 64, 1), (10000, 64, 1), (1000, 1024, 1), (10000, 1024, 1), (1000, 64, 16),
         (10000, 64, 16), (1000, 65536, 1), (1000, 65536, 4)]


def before(options):
    """This build over the one of --binary: fan-out, handshake and idle memory, pair by pair."""
    if not options.binary:
        fail("before needs --binary PATH, the altavoz to compare with")
    table = Table(f"this build over {options.binary}: median and range of {options.pairs} pairs; "
                  "server on core 0, generator on core 1")
    for driver in options.drivers:
        for clients, size, window in CELLS:
            flags = ("--clients", str(clients), "--size", str(size), "--in-flight", str(window),
                     "--warmup", options.warmup, "--duration", options.duration)
            pairs = in_turns(options, driver, lambda running, flags=flags: fan_out(running, flags))
            where = f"{driver}: {clients} subscribers, {size} bytes, {window} in flight"
            row(table, f"{where}: CPU a delivery", pairs, "server_cpu_per_delivery_us", "us")
            row(table, f"{where}: deliveries/s", pairs, "deliveries_per_second", "/s")
        pairs = in_turns(options, driver, lambda running: loadgen(
            "connect", running, "--clients", "5000", "--hold", "1s")["connect"])
        row(table, f"{driver}: CPU a handshake", pairs, "server_cpu_per_connect_us", "us")
        pairs = in_turns(options, driver, lambda running: loadgen(
            "connect", running, "--clients", "15000", "--hold", "3s")["memory"])
        row(table, f"{driver}: memory of an idle WebSocket", pairs, "server_per_connection_bytes",
            "bytes")
    return table


def in_turns(options, driver, measure):
    """What `measure` says of both builds, each time freshly started: pairs of this and the other."""
    pairs = []
    for number in range(options.pairs):
        seen = {}
        order = (None, options.binary) if number % 2 else (options.binary, None)
        for binary in order:
            with node("--driver", driver, binary=binary) as running:
                seen[binary] = measure(running)
        pairs.append((seen[None], seen[options.binary]))
    return pairs


def fan_out(running, flags):
    """One closed loop, of which nothing may be lost."""
    report = loadgen("fanout", running, *flags)
    good, words = deliveries(report)
    if not good:
        fail(words)
    return report["total"]


def row(table, what, pairs, figure, unit):
    """The figure of this build over the other's."""
    ratios = sorted(this[figure] / other[figure] for this, other in pairs)
    this, other = (median(one[figure] for one in side) for side in zip(*pairs))
    table.row(what, f"{median(ratios):.3f}x, {ratios[0]:.3f} to {ratios[-1]:.3f}; "
                    f"{this:,.1f} and {other:,.1f} {unit}")
