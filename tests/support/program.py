"""The node in circumstances: any command line, environment, streams, limits and namespaces.

Owns the command line and the surroundings of one process a `Program`, and single requests to it.
`support.node.Node` is the node in good circumstances.
"""

import http.client
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager

from support.server import LISTENING, WAIT_SECONDS, Server

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


class Program(Server):
    """`altavoz serve` as a child; `prefix` is what starts it, such as `unshare`."""

    def __init__(self, binary, *flags, listen=("127.0.0.1:0",), variables=None, prefix=(),
                 **options):
        self.listen = list(listen)
        self.flags = flags
        self.prefix = prefix
        self.binary = os.path.abspath(shutil.which(binary) or binary)
        super().__init__(self.line(), env=environment(variables), **options)

    def line(self):
        """The command line."""
        listens = [part for address in self.listen for part in ("--listen", address)]
        return [*self.prefix, self.binary, "serve", *listens, *self.flags]

    def addresses(self):
        """What its first lines say, once all are there: the first empty line is behind them."""
        self.until(lambda: "\n\n" in self.output(), "it does not say where it listens")
        return LISTENING.findall(self.output())

    @property
    def port(self):
        """The port of the first line."""
        return port_of(self.addresses()[0])

    def status(self, path="/healthz", port=None, host="127.0.0.1"):
        """Status code of a GET, or None where nobody answers."""
        try:
            return self.request("GET", path, port=port, host=host)[0]
        except (OSError, http.client.HTTPException):
            return None

    def request(self, method, path, body=None, headers=None, port=None, host="127.0.0.1"):
        """One request on a connection of its own: (status, headers, body)."""
        link = http.client.HTTPConnection(host, port or self.port, timeout=5)
        try:
            link.request(method, path, body, headers or {})
            answer = link.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            link.close()

    def logs(self, words, seconds=WAIT_SECONDS):
        """Waits until it has logged that."""
        return self.until(lambda: words in self.errors(), f"it does not log `{words}`", seconds)


def port_of(address):
    """The port that an address ends with."""
    return int(address.rpartition(":")[2])
