"""What a host or its supervisor does not give, and what it asks for: /proc and /sys, a service
manager, a restart behind a kill, limits without end."""

import os
import resource
import signal
import socket
import tempfile
import time

from host.namespaces import may_unshare
from support.children import free_port
from support.program import Program, attempt, outcome
from support.raw import Link


def run(binary, report):
    """One after the other."""
    bare_host(binary, report)
    restarts(binary, report)
    without_end(binary, report)
    service_manager(binary, report)
    watchdog(binary, report)


def bare_host(binary, report):
    """Neither /proc nor /sys nor a home nor a folder to write to."""
    why = may_unshare("--mount")
    if why:
        report.skip("a host without /proc and /sys", why)
        return
    for name, script in (
            ("without /proc", "mount -t tmpfs none /proc"),
            ("without /sys", "mount -t tmpfs none /sys"),
            ("without both", "mount -t tmpfs none /proc; mount -t tmpfs none /sys"),
            ("that is read-only", "mount -o remount,bind,ro / 2>/dev/null || "
                                  "mount --bind / /mnt && mount -o remount,bind,ro /mnt")):
        prefix = ("unshare", "--mount", "sh", "-c", f"{script}; exec \"$@\"", "sh")
        with Program(binary, "--drain", "0", prefix=prefix,
                     variables={"HOME": None, "TMPDIR": None}) as node:
            metrics = node.request("GET", "/metrics")
            report.equal(f"a host {name}: the node serves, also its metrics, and ends with 0",
                         (node.status(), metrics[0], node.stop()), (200, 200, 0), node.errors())
        for command in ("check", "doctor"):
            code, _, errors = outcome(binary, [command], prefix=prefix)
            report.equal(f"a host {name}: {command} reports", code, 0, errors)


def restarts(binary, report):
    """SIGKILL among connections, and the next one at once on the same port and socket."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        listen = [f"127.0.0.1:{port}", f"unix:{folder}/a.sock"]
        links = []
        for life in range(4):
            with Program(binary, listen=listen) as node:
                shown = node.addresses()
                report.equal(f"life {life + 1} of a node that is killed: it listens at once",
                             (shown, node.status(port=port)),
                             ([f"http://{listen[0]}", listen[1]], 200))
                for _ in range(5):
                    links.append(Link(port))
                    links[-1].upgrade("/topics/t")
                node.signal(signal.SIGKILL)
                node.wait()
        for link in links:
            link.close()


def without_end(binary, report):
    """Limits as high as they go, as a container has them."""
    with open("/proc/sys/fs/nr_open", encoding="ascii") as text:
        most = int(text.read())

    def unlimited():
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, most))
        except (ValueError, OSError):
            pass  # What this program may have is the most that there is.
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))
    code, errors = attempt(binary, ["check"], preexec_fn=unlimited)
    report.equal("check with descriptors without end and no locked memory", code, 0, errors)
    with Program(binary, preexec_fn=unlimited) as node:
        report.equal("a node with descriptors without end and no locked memory serves",
                     node.status(), 200)
        report.check("in little memory", _rss(node.pid) < 256 << 20, f"{_rss(node.pid)} bytes")


def _rss(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


class Manager:
    """The socket of a service manager (sd_notify(3)), and what it was told."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.told = []

    def hears(self, words, seconds=10):
        """Waits for a message with a line of these words."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                lines = self.socket.recv(4096).decode().split("\n")
            except TimeoutError:
                break
            self.told.append(lines)
            if any(line.startswith(words) for line in lines):
                return lines
        return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def service_manager(binary, report):
    """READY, a reload, and a stop that says how long it may take."""
    with tempfile.TemporaryDirectory() as folder, Manager(folder) as manager:
        with Program(binary, "--drain", "30s", variables={"NOTIFY_SOCKET": manager.path}) as node:
            report.check("the service manager is told when the node listens",
                         manager.hears("READY=1") and node.addresses(), f"{manager.told}")
            node.signal(signal.SIGHUP)
            lines = manager.hears("RELOADING=1")
            report.check("a reload is told with its moment",
                         lines and any(line.startswith("MONOTONIC_USEC=") for line in lines),
                         f"{manager.told}")
            report.check("and its end", manager.hears("READY=1"), f"{manager.told}")
            node.signal(signal.SIGTERM)
            lines = manager.hears("STOPPING=1") or []
            extended = [line for line in lines if line.startswith("EXTEND_TIMEOUT_USEC=")]
            report.check("a stop is told, with the time that its drain may take",
                         extended and int(extended[0].partition("=")[2]) > 30_000_000,
                         f"{manager.told}")
            report.equal("and is over without clients", node.wait(), 0, node.errors())
    with Program(binary, variables={"NOTIFY_SOCKET": "/nonexistent/notify"}) as node:
        report.equal("a service manager that is not there is no reason not to serve",
                     node.status(), 200)


def watchdog(binary, report):
    """It is fed by an idle node, and not by one that stands still."""
    with tempfile.TemporaryDirectory() as folder, Manager(folder) as manager:
        variables = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "600000"}
        with Program(binary, "--drain", "0", variables=variables) as node:
            node.addresses()
            fed = [manager.hears("WATCHDOG=1") for _ in range(4)]
            report.check("an idle node feeds the watchdog", all(fed), f"{manager.told}")
            node.signal(signal.SIGSTOP)
            while manager.hears("WATCHDOG=1", 0.5):
                pass
            report.check("one that is stopped does not", not manager.hears("WATCHDOG=1", 0.8),
                         f"{manager.told}")
            node.signal(signal.SIGCONT)
            report.check("and goes on when it goes on", manager.hears("WATCHDOG=1"),
                         f"{manager.told}")
            report.equal("and ends with 0", node.stop(), 0, node.errors())
    with tempfile.TemporaryDirectory() as folder, Manager(folder) as manager:
        variables = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "100000",
                     "WATCHDOG_PID": "1"}
        with Program(binary, variables=variables) as node:
            node.addresses()
            report.check("the watchdog of another process is none of ours",
                         not manager.hears("WATCHDOG=1", 0.5), f"{manager.told}")
