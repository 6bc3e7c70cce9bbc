"""The node under test as a child process: started, waited for, measured by /proc, ended.

Owns the child and its log file; every Node is killed at exit at the latest. What it is asked
over the network is left to `raw` and the runners.
"""

import atexit
import http.client
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

_CHILDREN = set()
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def free_port():
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kill_all():
    """Ends every child that is still there, by its process group."""
    for child in list(_CHILDREN):
        _CHILDREN.discard(child)
        if child.poll() is None:
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            child.wait()


def spawn(command, **options):
    """A child in a process group of its own, which does not outlive this program."""
    options.setdefault("stdin", subprocess.DEVNULL)
    child = subprocess.Popen(command, start_new_session=True, **options)
    _CHILDREN.add(child)
    return child


def exit_on_signals():
    """Turns SIGTERM, SIGINT and SIGHUP into an ordinary exit, so that children are ended."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, leave)


def raise_descriptor_limit():
    """Lifts this program's own soft limit to the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


atexit.register(kill_all)


class Node:
    """One `altavoz serve`. `ports` are plain listeners, `proxy_ports` expect a PROXY header."""

    def __init__(self, binary, *flags, ports=None, proxy_ports=(), descriptors=None):
        self.binary = os.path.abspath(shutil.which(binary) or binary)
        self.ports = [free_port()] if ports is None else list(ports)
        self.proxy_ports = list(proxy_ports)
        self.flags = list(flags)
        self.descriptors = descriptors
        self.log = tempfile.NamedTemporaryFile(prefix="altavoz-node-", suffix=".log")
        self.child = None

    @property
    def port(self):
        """The first plain port."""
        return self.ports[0]

    @property
    def pid(self):
        """Process id of the running node."""
        return self.child.pid

    def command(self):
        """The command line."""
        listens = [f"127.0.0.1:{port}" for port in self.ports]
        listens += [f"127.0.0.1:{port},proxy" for port in self.proxy_ports]
        flags = [part for listen in listens for part in ("--listen", listen)]
        return [self.binary, "serve", *flags, *self.flags]

    def start(self, wait_seconds=20):
        """Starts it and waits until /healthz answers 200."""
        self.child = spawn(self.command(), stdout=self.log, stderr=subprocess.STDOUT,
                           preexec_fn=self._limit if self.descriptors else None)
        end = time.monotonic() + wait_seconds
        while time.monotonic() < end:
            if self.child.poll() is not None:
                raise RuntimeError(f"node ended with {self.child.returncode}:\n{self.log_text()}")
            if self.status("/healthz") == 200:
                return self
            time.sleep(0.05)
        raise RuntimeError(f"/healthz did not answer in {wait_seconds} s:\n{self.log_text()}")

    def _limit(self):
        # Both limits: the node lifts the soft one to the hard one by itself.
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def status(self, path, timeout=5):
        """Status code of a GET, or None where nobody answers."""
        try:
            return self.request("GET", path, timeout=timeout)[0]
        except (OSError, http.client.HTTPException):
            return None

    def request(self, method, path, body=None, headers=None, timeout=5):
        """One request on a connection of its own: (status, headers, body)."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            link.request(method, path, body, headers or {})
            answer = link.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            link.close()

    def running(self):
        """Whether the process is alive."""
        return self.child is not None and self.child.poll() is None

    def signal(self, number):
        """Sends a signal to the node."""
        self.child.send_signal(number)

    def wait(self, timeout):
        """Exit code, or None if it still runs after `timeout` seconds."""
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, timeout=10):
        """SIGTERM, then SIGKILL after `timeout` seconds; returns the exit code."""
        if self.running():
            self.signal(signal.SIGTERM)
            if self.wait(timeout) is None:
                os.killpg(self.pid, signal.SIGKILL)
                self.child.wait()
        _CHILDREN.discard(self.child)
        return self.child.returncode

    def kill(self):
        """SIGKILL, as if the host were gone."""
        self.signal(signal.SIGKILL)
        self.child.wait()
        _CHILDREN.discard(self.child)

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
        """The end of what the node printed."""
        with open(self.log.name, "rb") as log:
            return log.read()[-last:].decode("utf-8", "replace")

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

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
        self.log.close()
