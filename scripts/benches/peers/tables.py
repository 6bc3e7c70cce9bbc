"""What was seen of each server, and how it stands in tables of Markdown."""

from rig import median

# What all others are in ratio to, if it runs.
OURS = "epoll"
# A worker with less than this to spare has nothing to spare.
BUSY_PERCENT = 90
# What is nearer to 1 than this is written as 1.
RATIO_STEP = 0.005

# Figure, heading, how it is written, and whether more of it is better: of the closed loop, which is
# all that is measured with --sizes, and of everything.
CLOSED_LOOP = [
    ("rate_1", "deliveries/s, 1 in flight", "{:,.0f}", True),
    ("rate_16", "deliveries/s, 16 in flight", "{:,.0f}", True),
    ("cpu_1", "CPU µs a delivery, 1 in flight", "{:.2f}", False),
    ("cpu_16", "CPU µs a delivery, 16 in flight", "{:.2f}", False),
]
ALL = [
    *CLOSED_LOOP,
    ("p50", "p50 ms", "{:.2f}", False),
    ("p99", "p99 ms", "{:.2f}", False),
    ("memory", "bytes an idle connection", "{:,.0f}", False),
    ("handshake", "CPU µs a handshake", "{:.1f}", False),
]


class Seen:
    """What was seen of one server: its figures round by round, its deliveries, and
    what was the limit."""

    def __init__(self, arm):
        self.name = arm.name
        self.version = arm.version()
        self.setting = arm.setting
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
        """Adds the deliveries of a run, and keeps the generator's word on whether it is a result."""
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


def of(found, figures):
    """All tables of what was found, by the key of each server, in the order in which they are read:
    where others are ahead of us comes first."""
    figures = [figure for figure in figures if any(seen.values(figure[0]) for seen in found.values())]
    parts = [ahead(found, figures), rows(main(found, figures)), rows(deliveries(found))]
    if OURS in found:
        parts.append(["Range of the ratios", "", *rows(ranges(found, figures))])
    parts.append(rows(versions(found)))
    return [row for part in parts if part for row in ["", *part]]


def ahead(found, figures):
    """In what each server was ahead of ours in every round; less than that is noise."""
    ours, lines = found.get(OURS), []
    for seen in found.values():
        better = []
        for figure, heading, _, is_more in figures:
            against = ratios(seen, ours, figure)
            if against and is_ahead(against, is_more):
                better.append(f"{heading} {short(median(against))}x ({extent(against)})")
        lines += [f"- {seen.name}: {', '.join(better)}"] * bool(better)
    return [f"Ahead of {ours.name} in every round:", "", *lines] if lines else []


def is_ahead(ratios, is_more):
    return min(ratios) > 1 + RATIO_STEP if is_more else max(ratios) < 1 - RATIO_STEP


def main(found, figures):
    ours = found.get(OURS)
    yield ["server", *(heading for _, heading, _, _ in figures)]
    for seen in found.values():
        yield [seen.name, *(cell(seen, ours, figure, form) for figure, _, form, _ in figures)]


def cell(seen, ours, figure, form):
    values = seen.values(figure)
    if not values:
        return "–"
    against = ratios(seen, ours, figure)
    ratio = f" ({short(median(against))}x)" if against and seen is not ours else ""
    return form.format(median(values)) + ratio


def deliveries(found):
    yield ["server", "delivered of expected", "connected of wanted", "server, share of its core",
           "generator, share of its core", "server waited", "limit"]
    for seen in found.values():
        wrong = f", {seen.doubled:,} doubled or out of order" if seen.doubled else ""
        server, generator = ([share for share in side if share is not None]
                             for side in zip(*seen.busy)) if seen.busy else ([], [])
        yield [seen.name, f"{seen.received:,} of {seen.expected:,}{wrong}",
               f"{seen.connected:,} of {seen.wanted:,}", percent(server), percent(generator),
               percent(seen.waited), limit(server, generator)]


def limit(server, generator):
    """Who had nothing to spare in the runs with most in flight."""
    sides = [("server", server), ("generator", generator)]
    busy = [name for name, shares in sides if shares and median(shares) >= BUSY_PERCENT]
    return " and ".join(busy) or "neither"


def percent(shares):
    return f"{median(shares):.0f} %" if shares else "–"


def ranges(found, figures):
    """The range of each ratio, since a difference within it is none."""
    ours = found[OURS]
    yield ["server", *(heading for _, heading, _, _ in figures)]
    for seen in found.values():
        if seen is not ours:
            against = [ratios(seen, ours, figure) for figure, *_ in figures]
            yield [seen.name, *(extent(each) if each else "–" for each in against)]


def versions(found):
    yield ["server", "version", "configuration"]
    for seen in found.values():
        yield [seen.name, seen.version, seen.setting]


def ratios(seen, ours, figure):
    """Of each round in which both have the figure; none of ours to itself."""
    if not ours or seen is ours:
        return []
    pairs = zip(seen.rounds, ours.rounds)
    return [a[figure] / b[figure] for a, b in pairs if figure in a and b.get(figure)]


def extent(ratios):
    return f"{short(min(ratios))} to {short(max(ratios))}"


def short(ratio):
    """Two digits that say something."""
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def rows(cells):
    heads, *rest = cells
    ruler = "|" + "---|" * len(heads)
    return [line(heads), ruler, *map(line, rest)]


def line(row):
    return "| " + " | ".join(row) + " |"
