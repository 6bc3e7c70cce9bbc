"""The servers that are measured beside each other: how each is started, and how it is spoken to.

A server that cannot be had says why, and the others go on.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import rig
from peers import protocols
from support.children import free_port

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = os.path.join(rig.ROOT, ".cache", "peers")
PYTHON = os.path.join(PEERS, "venv", "bin", "python")
SET_UP = "run scripts/setup-peers"
START_SECONDS = 10


class Missing(Exception):
    """Why a server cannot be had here."""


class Arm:
    """A server as it stands in the tables."""

    # Publications under way in the runs that go as fast as they can.
    windows = (1, 16)
    # The longest payload that it can take; the node takes no longer one by default.
    size_max = 64 * 1024
    # Whether somebody else keeps it running, so that it has no fresh start.
    is_kept = False

    def __init__(self, name, start, version, setting, flags=lambda size: []):
        self.name = name
        self.start = start
        self.version = version
        # How it was set up, in words.
        self.setting = setting
        # Of the generator, for a size of payloads.
        self.flags = flags


class Daemon:
    """A server that is told where to listen and has a folder of its own, perhaps of several
    processes."""

    flags = ()

    def __init__(self, command, path="", file=None, processes=1, cores="0"):
        """`command` makes the command line of the folder, the port, and the path of `file`, the
        configuration with the ports in it."""
        self.folder = tempfile.TemporaryDirectory(prefix="peer-")
        # Its workers give up root's rights.
        os.chmod(self.folder.name, 0o755)
        self.port = free_port()
        config = file and self.configure(file)
        self.log = tempfile.TemporaryFile("w+")
        line = ["taskset", "-c", cores, *command(self.folder.name, self.port, config)]
        self.process = subprocess.Popen(line, cwd=self.folder.name, stdout=self.log, stderr=self.log)
        self.base = f"http://127.0.0.1:{self.port}"
        self.url = f"ws://127.0.0.1:{self.port}{path}"
        self.wait(processes)

    def configure(self, file):
        with open(os.path.join(HERE, file)) as source:
            text = source.read()
        text = text.replace("@PORT@", str(self.port)).replace("@UNUSED@", str(free_port()))
        path = os.path.join(self.folder.name, file)
        with open(path, "w") as target:
            target.write(text)
        return path

    def wait(self, processes):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            self.pids = [self.process.pid, *descendants(self.process.pid)]
            if len(self.pids) >= processes and listens(self.port):
                return
            time.sleep(0.05)
        self.stop()
        raise Missing(f"did not start: {self.errors().strip() or 'no words'}")

    def errors(self):
        self.log.seek(0)
        return self.log.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Named:
    """A server that somebody else has started, and keeps."""

    flags = ()

    def __init__(self, url, pids):
        self.url = url
        self.pids = pids

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def program(*command):
    """One that prints where it listens."""
    there(command[0])
    try:
        return rig.Server(*command, cores="0")
    except SystemExit as error:
        raise Missing(str(error).strip()) from None


def there(path):
    """A path, if scripts/setup-peers has put something there."""
    if not path or not os.path.exists(path):
        raise Missing(f"{os.path.relpath(path, rig.ROOT) if path else 'its program'} is not there: "
                      f"{SET_UP}")
    return path


def node(driver):
    altavoz = os.path.join(rig.BIN, "altavoz")
    start = lambda: program(altavoz, "serve", "--listen", "127.0.0.1:0", "--drain", "0",
                            "--log-level", "error", "--driver", driver)
    return Arm(f"Altavoz, {driver}", start, lambda: words(altavoz, "--version").split()[-1],
               "one shard, the defaults")


def bare():
    loadgen = os.path.join(rig.BIN, "loadgen")
    start = lambda: program(loadgen, "bare", "--listen", "127.0.0.1:0")
    arm = Arm("bare loop", start, lambda: "–",
              "the yardstick: one publication in flight at most, no protocol, topics or bounds")
    # It cannot do anything with more, nor with what a new socket does not take at once.
    arm.windows, arm.size_max = (1,), 4096
    return arm


def tokio():
    def version():
        with open(os.path.join(HERE, "tokio", "Cargo.lock")) as lock:
            text = lock.read()
        of = lambda name: re.search(rf'name = "{name}"\nversion = "([^"]+)"', text).group(1)
        return f"{of('tokio-tungstenite')} on tokio {of('tokio')}"

    return Arm("tokio-tungstenite", lambda: program(os.path.join(rig.BIN, "peer-tokio")), version,
               "our own program of 80 lines, as one would write it with care: a task a client, a "
               "broadcast channel a path, one flush for all that is there, a read buffer of 4 KiB a "
               "client instead of the default 128 KiB")


def in_javascript(name, runtime, file, version, setting, flags=lambda size: []):
    """A server on Node.js or Bun."""
    start = lambda: program(there(runtime()), os.path.join(HERE, file))
    return Arm(name, start, version, setting, flags)


def on_node(name, file, package, setting, flags=lambda size: []):
    manifest = os.path.join(HERE, "node_modules", package, "package.json")

    def version():
        with open(there(manifest)) as file:
            return f"{json.load(file)['version']} on Node.js {words('node', '--version').lstrip('v')}"

    return in_javascript(name, lambda: there(manifest) and shutil.which("node"), file, version,
                         setting, flags)


def bun():
    binary = os.path.join(HERE, "node_modules", "@oven", "bun-linux-x64", "bin", "bun")
    return in_javascript("Bun", lambda: binary, "bun.mjs", lambda: words(binary, "--version"),
                         "its own publish and subscribe, which are uWebSockets'; JavaScript is asked "
                         "once a connection and once a publication; 16 MiB of backpressure, idle "
                         "time-out of 120 s and pings as by default")


def in_python(name, file, package, setting, what="{0}"):
    """A server in Python."""
    code = f"import importlib.metadata as m; print(m.version('{package}'))"

    def version():
        python = words(PYTHON, "--version").split()[-1]
        return f"{what.format(words(PYTHON, '-c', code))} on Python {python}"

    return Arm(name, lambda: program(PYTHON, os.path.join(HERE, file)), version, setting)


def nchan():
    module = "/usr/lib/nginx/modules/ngx_nchan_module.so"
    binary = lambda: shutil.which("nginx", path=PATHS)

    def start():
        nginx, _ = there(binary()), there(module)
        command = lambda folder, _, config: [nginx, "-e", "stderr", "-p", folder, "-c", config]
        # A master and a worker.
        return Daemon(command, file="nchan.conf", processes=2)

    def version():
        return f"{packaged('libnginx-mod-nchan')} in nginx {words(binary(), '-v').split('/')[-1]}"

    return Arm("Nchan", start, version,
               "one worker, publications by POST, no access log, 100 publications kept for 5 minutes "
               "in memory, no Redis", protocols.nchan)


def mosquitto():
    binary = lambda: there(shutil.which("mosquitto", path=PATHS))
    start = lambda: Daemon(lambda _, __, config: [binary(), "-c", config], path="/mqtt",
                           file="mosquitto.conf")
    return Arm("Mosquitto", start, lambda: packaged("mosquitto"),
               "MQTT 3.1.1 over WebSocket, QoS 0, no persistence, no `$SYS`, anonymous, no "
               "keep-alive", protocols.mqtt)


def nats():
    binary = os.path.join(PEERS, "venv", "bin", "nats-server")
    start = lambda: Daemon(lambda _, __, config: [there(binary), "-c", config], file="nats.conf")
    return Arm("NATS", start, lambda: words(binary, "--version").split()[-1].lstrip("v"),
               "its own protocol over WebSocket, no JetStream, no TLS, anonymous, heartbeats so far "
               "apart that none falls into a run", protocols.nats)


def sockudo():
    """With what signs publications for it beside it, on the generator's core."""
    binary = os.path.join(PEERS, "bin", "sockudo")

    @contextlib.contextmanager
    def start():
        command = lambda _, __, config: ["env", "RUST_LOG=error", there(binary), "--config", config]
        with Daemon(command, file="sockudo.toml") as server:
            sign = [sys.executable, os.path.join(HERE, "sign.py"), str(server.port)]
            with rig.Server(*sign, cores="1") as signer:
                server.flags = ["--publish-url", signer.base]
                yield server

    return Arm("Sockudo", start, lambda: words(binary, "--version").split()[-1],
               "Pusher's protocol, a public channel, in memory, no rate limits, errors alone in the "
               "log; built without its default features; publications by POST, one a connection, "
               "signed by a program of ours on the generator's core", protocols.pusher)


def durable_streams():
    binary = os.path.join(PEERS, "bin", "durable-streams-server")

    @contextlib.contextmanager
    def start():
        command = lambda folder, port, _: [there(binary), "--port", str(port), "--data-dir", folder,
                                           "--durability", "memory"]
        with Daemon(command) as server:
            protocols.create_stream(server.base)
            yield server

    return Arm("durable-streams", start, version_of_crate("durable-streams"),
               "server-sent events, publications by POST, a stream of JSON that is kept whole in a "
               "file, which is never synced (`--durability memory`)", protocols.durable_streams)


def version_of_crate(name):
    """Where a program does not tell its own: what cargo has noted."""
    def version():
        noted = words("cargo", "install", "--list", "--root", PEERS)
        return re.search(rf"^{name} v(\S+):", noted, re.MULTILINE).group(1)
    return version


def named(name, url, pids, flags):
    arm = Arm(name, lambda: Named(url, pids), lambda: "–", f"at {url}", lambda size: flags)
    arm.is_kept = True
    return arm


PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"

ARMS = {
    "epoll": lambda: node("epoll"),
    "uring": lambda: node("uring"),
    "bare": bare,
    "tokio": tokio,
    "uws": lambda: in_python(
        "uWebSockets through Python", "uws.py", "socketify",
        "its own publish and subscribe; Python is asked once a connection and once a publication; "
        "16 MiB of backpressure", "as in socketify {0}"),
    "bun": bun,
    "nats": nats,
    "sockudo": sockudo,
    "durable": durable_streams,
    "nchan": nchan,
    "mosquitto": mosquitto,
    "ws": lambda: on_node("ws", "ws.mjs", "ws",
                          "one process, `clientTracking` off, a loop over the clients of the path"),
    "socketio": lambda: on_node(
        "Socket.IO", "socketio.mjs", "socket.io",
        "one process, WebSocket alone, `io.emit`, heartbeats so far apart that none falls into a run",
        protocols.socketio),
    "tornado": lambda: in_python("Tornado", "tornado_server.py", "tornado",
                                 "one process, `write_message` to each client of the path"),
}
# Those that send a payload as it is, so that long ones cost the generator no search for it.
PLAIN = ("epoll", "uring", "bare", "tokio", "uws", "bun", "ws")


def words(*command):
    """What a program prints, on either stream."""
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return run.stdout.strip()


def packaged(package):
    return words("dpkg-query", "-W", "-f", "${Version}", package) + " of Debian"


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def descendants(pid):
    """What a process has started, and what that has."""
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                # Behind the name, which may have anything in it: state, parent.
                parents[int(entry)] = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended meanwhile
    found = [pid]
    for known in found:
        found += [child for child, parent in parents.items() if parent == known]
    return found[1:]
