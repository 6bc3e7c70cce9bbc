"""The node in circumstances: any command line, environment, streams, limits and namespaces.

Owns one process a `Program`, which says by its first lines where it listens. What is asked of it is
left to the runners; `support.node.Node` is the node in good circumstances.
"""

import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager

from support.node import spawn

WAIT_SECONDS = 20

# Somebody with no other processes, whose limits therefore count ours alone.
NOBODY = 54321


@contextmanager
def lent(binary):
    """The path of a copy of the binary that everybody may run; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="altavoz-lent-") as folder:
        os.chmod(folder, 0o755)
        copy = os.path.join(folder, "altavoz")
        binary = os.path.abspath(shutil.which(binary) or binary)
        try:
            os.link(binary, copy)
        except OSError:
            shutil.copy(binary, copy)
        yield copy


def environment(changes=None):
    """This program's environment with changes; a value of None takes a variable away."""
    merged = {**os.environ, **(changes or {})}
    return {name: value for name, value in merged.items() if value is not None}


def attempt(binary, arguments, variables=None, timeout=5, **options):
    """Runs it to its end; returns (exit code or None if it went on, standard error)."""
    code, _, errors = outcome(binary, arguments, variables, timeout, **options)
    return code, errors


def outcome(binary, arguments, variables=None, timeout=5, prefix=(), **options):
    """The same with standard output: (exit code or None, output, errors)."""
    try:
        done = subprocess.run([*prefix, binary, *arguments], env=environment(variables),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", timeout=timeout, check=False, **options)
        return done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as expired:
        return None, _text(expired.stdout), _text(expired.stderr)


def _text(output):
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


class Program:
    """`altavoz serve` as a child; `prefix` is what starts it, such as `unshare`."""

    def __init__(self, binary, *flags, listen=("127.0.0.1:0",), variables=None, prefix=(),
                 **options):
        self.folder = tempfile.TemporaryDirectory(prefix="altavoz-host-")
        # Whoever the node runs as shall write to it.
        os.chmod(self.folder.name, 0o755)
        self.out = open(self.path("out"), "wb+")  # pylint: disable=consider-using-with
        self.err = open(self.path("err"), "wb+")  # pylint: disable=consider-using-with
        options.setdefault("stdout", self.out)
        options.setdefault("stderr", self.err)
        listens = [part for address in listen for part in ("--listen", address)]
        binary = os.path.abspath(shutil.which(binary) or binary)
        self.command = [*prefix, binary, "serve", *listens, *flags]
        self.child = spawn(self.command, env=environment(variables), **options)

    def path(self, name):
        """A file of its own folder, which is gone with it."""
        return os.path.join(self.folder.name, name)

    @property
    def pid(self):
        """Process id of what was started."""
        return self.child.pid

    def output(self):
        """What it printed."""
        with open(self.path("out"), encoding="utf-8", errors="replace") as out:
            return out.read()

    def errors(self):
        """What it logged."""
        with open(self.path("err"), encoding="utf-8", errors="replace") as err:
            return err.read()

    def addresses(self):
        """What its first lines say, once all are there: the first empty line is behind them."""
        self.until(lambda: "\n\n" in self.output(), "it does not say where it listens")
        return re.findall(r"^listening on (\S+)", self.output(), re.MULTILINE)

    @property
    def port(self):
        """The port of the first line."""
        return int(self.addresses()[0].rpartition(":")[2])

    def status(self, path="/healthz", port=None, host="127.0.0.1"):
        """Status code of a GET, or None where nobody answers."""
        return self.request("GET", path, port=port, host=host)[0]

    def request(self, method, path, body=None, port=None, host="127.0.0.1"):
        """(status, body), or (None, b"") where nobody answers."""
        link = http.client.HTTPConnection(host, port or self.port, timeout=5)
        try:
            link.request(method, path, body)
            answer = link.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            link.close()

    def until(self, holds, otherwise, seconds=WAIT_SECONDS):
        """Waits until it holds; an error with what the node said if it does not."""
        end = time.monotonic() + seconds
        while not holds():
            if self.child.poll() is not None and not holds():
                raise RuntimeError(f"{otherwise}: it ended with {self.child.returncode}: "
                                   f"{self.errors()}")
            if time.monotonic() > end:
                raise RuntimeError(f"{otherwise} in {seconds} s: {self.errors()}")
            time.sleep(0.02)
        return self

    def logs(self, words, seconds=WAIT_SECONDS):
        """Waits until it has logged that."""
        return self.until(lambda: words in self.errors(), f"it does not log `{words}`", seconds)

    def running(self):
        """Whether it is alive."""
        return self.child.poll() is None

    def signal(self, number):
        """Sends it a signal."""
        self.child.send_signal(number)

    def wait(self, seconds=WAIT_SECONDS):
        """Exit code, or None if it still runs."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        """SIGTERM; the exit code."""
        if self.running():
            self.signal(signal.SIGTERM)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.running():
            os.killpg(self.pid, signal.SIGKILL)
            self.child.wait()
        self.out.close()
        self.err.close()
        self.folder.cleanup()
