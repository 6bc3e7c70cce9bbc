"""The node under test in good circumstances: started, waited for, measured by /proc, ended.

A `Program` that answers, and that comes back on its ports. What it is asked over the network is left
to `raw` and the runners.
"""

import os
import resource
import time

from support.program import Program, port_of

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

# A listener for everybody, and one for a proxy that sends PROXY headers; the system chooses the ports.
PLAIN, BEHIND_PROXY = "127.0.0.1:0", "127.0.0.1:0,proxy"


class Node(Program):
    """One `altavoz serve`. The first of `listen` is a plain listener; `proxy_ports` are those that
    expect a PROXY header."""

    def __init__(self, binary, *flags, listen=(PLAIN,), descriptors=None):
        # Both limits: the node lifts the soft one to the hard one by itself.
        limit = descriptors and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors,) * 2))
        super().__init__(binary, *flags, listen=listen, preexec_fn=limit)

    def start(self):
        """Starts it and waits until /healthz answers 200; on the ports that it had, if it had any."""
        super().start()
        self.listen = [told(*pair) for pair in zip(self.listen, self.addresses(), strict=True)]
        self.command = self.line()
        return self.until(lambda: self.status("/healthz") == 200, "/healthz does not answer 200")

    @property
    def port(self):
        """The first plain port."""
        return port_of(self.listen[0])

    @property
    def proxy_ports(self):
        """Those that expect a PROXY header."""
        return [port_of(address) for address, _, option in
                (listen.partition(",") for listen in self.listen) if option == "proxy"]

    def close(self):
        """SIGTERM first."""
        if self.running():
            self.stop(10)
        super().close()

    def metric(self, name):
        """The value of a metric without labels."""
        text = self.request("GET", "/metrics")[2].decode()
        for line in text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.split(" ")[1])
        raise KeyError(name)

    def reaches(self, wanted, seconds=20):
        """Waits until metrics have the values of a table; returns those that differ at the end."""
        end = time.monotonic() + seconds
        while True:
            seen = {name: self.metric(name) for name in wanted}
            differ = {name: value for name, value in seen.items() if value != wanted[name]}
            if not differ or time.monotonic() > end:
                return differ
            time.sleep(0.02)

    def log_text(self, last=4000):
        """The end of what the node printed and logged."""
        return (self.output() + self.errors())[-last:]

    def descriptor_count(self):
        """Open descriptors of the process."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def thread_count(self):
        """Threads of the process."""
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def rss_bytes(self):
        """Resident memory."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    def cpu_seconds(self):
        """User and system time so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def told(listen, shown):
    """A listener with the port that it was given."""
    _, comma, option = listen.partition(",")
    return f"{shown.removeprefix('http://')}{comma}{option}"
