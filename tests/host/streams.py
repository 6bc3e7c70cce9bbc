"""Standard streams that are closed, full, broken, or read by nobody: the node serves and ends as
always."""

import fcntl
import os
import resource
import signal
import subprocess
import tempfile

from support.children import free_port
from support.program import Program, outcome


def run(binary, report):
    """One after the other."""
    for name, options in broken_streams():
        serves(binary, report, name, options)
    pipe_that_nobody_reads(binary, report)
    log_file_that_may_not_grow(binary, report)
    for command in (["--help"], ["--version"], ["check"], ["doctor"]):
        with open("/dev/full", "wb") as full:
            code = outcome_into(binary, command, full)
        report.check(f"{command[0]} into a full disk ends in order", code in (0, 1, 2), f"{code}")
    code, _, errors = outcome(binary, ["check"], preexec_fn=_close_all)
    report.equal("check without any stream ends in order", code, 0, errors)


def broken_streams():
    """(name, how the child is started)."""
    yield "with all streams closed", {"preexec_fn": _close_all}
    yield "with standard input closed", {"preexec_fn": lambda: os.close(0)}
    full = os.open("/dev/full", os.O_WRONLY)
    yield "that prints and logs into a full disk", {"stdout": full, "stderr": full}
    os.close(full)
    read, write = os.pipe()
    os.close(read)
    yield "that prints and logs into a broken pipe", {"stdout": write, "stderr": write}
    os.close(write)


def _close_all():
    for descriptor in (0, 1, 2):
        os.close(descriptor)


def serves(binary, report, name, options):
    """It answers, notes a signal in a log that nobody gets, and drains."""
    port = free_port()
    with Program(binary, "--log-level", "trace", "--drain", "0", listen=(f"127.0.0.1:{port}",),
                 **options) as node:
        node.until(lambda: node.status(port=port) == 200, "it does not serve")
        for _ in range(20):
            node.signal(signal.SIGHUP)
            node.request("POST", "/topics/t", b"x", port=port)
        report.equal(f"a node {name} serves and ends with 0",
                     (node.status(port=port), node.stop()), (200, 0))


def pipe_that_nobody_reads(binary, report):
    """A log pipe that is full stops no event loop, and no end."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    port = free_port()
    with Program(binary, "--log-level", "trace", "--drain", "0", listen=(f"127.0.0.1:{port}",),
                 stderr=write) as node:
        os.close(write)
        node.until(lambda: node.status(port=port) == 200, "it does not serve")
        for _ in range(60):
            node.signal(signal.SIGUSR1)
            node.status(port=port)
        report.equal("a node whose log nobody reads serves and ends with 0",
                     (node.status(port=port), node.stop()), (200, 0))
        os.close(read)


def log_file_that_may_not_grow(binary, report):
    """The system ends a process for that, unless it does not want to be ended (setrlimit(2))."""
    with tempfile.TemporaryFile() as log, Program(
            binary, "--drain", "0", stderr=log,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))) as node:
        node.addresses()
        for _ in range(60):
            node.signal(signal.SIGHUP)
            node.status()
        report.equal("a node whose log is as long as it may be serves and ends with 0",
                     (node.status(), node.stop()), (200, 0))


def outcome_into(binary, arguments, out):
    """Exit code of a command that prints there."""
    done = subprocess.run([binary, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                          timeout=10, check=False)
    return done.returncode
