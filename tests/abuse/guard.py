"""What must hold after every abuse: the node lives, idles, and gives everything back.

Owns the base line of one node (descriptors and memory once it is warm) and compares with it.
"""

import time

from support.raw import Link, post_request

# Below this the node counts as idle, in CPUs, over IDLE_SECONDS.
IDLE_CPU_MAX = 0.05
IDLE_SECONDS = 2.0
# How long connections may take to be gone: close_linger (5 s), and a turn of the timers.
RETURN_SECONDS = 9
# Memory that may stay: what the allocator keeps, and the history of the topics used (1 MiB each).
RSS_GROWTH_MAX = 16 << 20


class Guard:
    """Watches one node between abuses."""

    def __init__(self, node, report):
        self.node = node
        self.report = report
        self._warm_up()
        self.descriptors = node.descriptor_count()
        self.rss = node.rss_bytes()

    def _warm_up(self):
        # Each path once, on several connections so that every shard has had some, so that what
        # is made once and kept is there before we measure.
        for _ in range(8):
            with Link(self.node.port) as poster, Link(self.node.port) as subscriber:
                poster.send(post_request("/topics/warm", b"x"))
                poster.response()
                subscriber.upgrade("/topics/warm")
        time.sleep(0.5)

    def after(self, what, rss_growth_max=RSS_GROWTH_MAX):
        """Checks all of it, as one check."""
        node = self.node
        if not node.running():
            return self.report.fail(f"{what}: the node lives",
                                    f"exit code {node.child.returncode}\n{node.log_text()}")
        health = node.status("/healthz")
        descriptors = self._wait_for_descriptors()
        cpu = self._cpu()
        growth = node.rss_bytes() - self.rss
        problems = []
        if health != 200:
            problems.append(f"/healthz answers {health}")
        if descriptors != self.descriptors:
            problems.append(f"{descriptors} descriptors, {self.descriptors} before")
        if cpu >= IDLE_CPU_MAX:
            problems.append(f"{cpu:.1%} CPU while idle, {IDLE_CPU_MAX:.0%} allowed")
        if growth > rss_growth_max:
            problems.append(f"memory grew by {growth >> 10} KiB, {rss_growth_max >> 10} allowed")
        return self.report.check(f"{what}: idle again, everything given back", not problems,
                                 "\n".join(problems),
                                 f"cpu {cpu:.1%}, {descriptors} descriptors, {growth >> 10:+} KiB")

    def _wait_for_descriptors(self):
        end = time.monotonic() + RETURN_SECONDS
        while (count := self.node.descriptor_count()) != self.descriptors:
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        return count

    def _cpu(self):
        before, begin = self.node.cpu_seconds(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        return (self.node.cpu_seconds() - before) / (time.monotonic() - begin)
