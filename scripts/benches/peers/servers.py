"""The servers that are measured beside each other: how each is started, and how it is spoken to.

A server that cannot be had says why, and the others go on.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

import rig

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = os.path.join(rig.ROOT, ".cache", "peers", "venv", "bin", "python")
SET_UP = "run scripts/setup-peers"
START_SECONDS = 10


class Missing(Exception):
    """Why a server cannot be had here."""


class Arm:
    """A server as it stands in the tables."""

    # Publications under way in the runs that go as fast as they can.
    windows = (1, 16)
    # Whether somebody else keeps it running, so that it has no fresh start.
    is_kept = False

    def __init__(self, name, start, version, flags=()):
        self.name = name
        self.start = start
        self.version = version
        self.flags = list(flags)


class Configured:
    """A server with a configuration file and a port in it, perhaps of several processes."""

    def __init__(self, file, port_of, command, processes, cores="0"):
        self.folder = tempfile.TemporaryDirectory(prefix="peer-")
        # Its workers give up root's rights.
        os.chmod(self.folder.name, 0o755)
        port = free_port()
        with open(os.path.join(HERE, file)) as source:
            text = source.read().replace("@PORT@", str(port)).replace("@UNUSED@", str(free_port()))
        path = os.path.join(self.folder.name, file)
        with open(path, "w") as target:
            target.write(text)
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(["taskset", "-c", cores, *command(self.folder.name, path)],
                                        stdout=self.log, stderr=self.log)
        self.url = f"ws://127.0.0.1:{port}{port_of}"
        self.wait(port, processes)

    def wait(self, port, processes):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            self.pids = [self.process.pid, *descendants(self.process.pid)]
            if len(self.pids) >= processes and listens(port):
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

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.folder.cleanup()


class Named:
    """A server that somebody else has started, and keeps."""

    def __init__(self, url, pids):
        self.url = url
        self.pids = pids

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def program(*command):
    """One that prints where it listens."""
    if not os.path.exists(command[0]):
        raise Missing(f"{os.path.relpath(command[0], rig.ROOT)} is not there: {SET_UP}")
    try:
        return rig.Server(*command, cores="0")
    except SystemExit as error:
        raise Missing(str(error).strip()) from None


def node(driver):
    altavoz = os.path.join(rig.BIN, "altavoz")
    start = lambda: program(altavoz, "serve", "--listen", "127.0.0.1:0", "--drain", "0",
                            "--log-level", "error", "--driver", driver)
    return Arm(f"Altavoz, {driver}", start, lambda: words(altavoz, "--version").split()[-1])


def bare():
    loadgen = os.path.join(rig.BIN, "loadgen")
    start = lambda: program(loadgen, "bare", "--listen", "127.0.0.1:0")
    arm = Arm("bare loop", start, lambda: "the yardstick, no protocol and no bounds")
    # It cannot do anything with more.
    arm.windows = (1,)
    return arm


def on_node(name, file, package, flags=()):
    """A server on Node.js."""
    modules = os.path.join(HERE, "node_modules", package, "package.json")

    def start():
        node_js = shutil.which("node")
        if not node_js or not os.path.exists(modules):
            raise Missing(f"Node.js or its packages are not there: {SET_UP}")
        return program(node_js, os.path.join(HERE, file))

    def version():
        with open(modules) as file:
            return f"{json.load(file)['version']} on Node.js {words('node', '--version').lstrip('v')}"

    return Arm(name, start, version, flags)


def in_python(name, file, package, what="{0}"):
    """A server in Python."""
    code = f"import importlib.metadata as m; print(m.version('{package}'))"

    def version():
        python = words(PYTHON, "--version").split()[-1]
        return f"{what.format(words(PYTHON, '-c', code))} on Python {python}"

    return Arm(name, lambda: program(PYTHON, os.path.join(HERE, file)), version)


def nchan():
    module = "/usr/lib/nginx/modules/ngx_nchan_module.so"

    def start():
        nginx = shutil.which("nginx", path=PATHS)
        if not nginx or not os.path.exists(module):
            raise Missing(f"nginx or its module is not there: {SET_UP}")
        command = lambda folder, path: [nginx, "-e", "stderr", "-p", folder, "-c", path]
        # A master and a worker.
        return Configured("nchan.conf", "", command, processes=2)

    def version():
        nginx = words(shutil.which("nginx", path=PATHS), "-v").split("/")[-1]
        return f"{packaged('libnginx-mod-nchan')} in nginx {nginx}"

    flags = ["--path", "/sub?id={topic}", "--publish", "http", "--path-for",
             "publish=/pub?id={topic}"]
    return Arm("Nchan", start, version, flags)


def mosquitto():
    def start():
        broker = shutil.which("mosquitto", path=PATHS)
        if not broker:
            raise Missing(f"mosquitto is not there: {SET_UP}")
        return Configured("mosquitto.conf", "/mqtt", lambda _, path: [broker, "-c", path], processes=1)

    return Arm("Mosquitto", start, lambda: packaged("mosquitto"), mqtt("t", 64))


def mqtt(topic, size):
    """MQTT 3.1.1 for the generator: a connection that never times out, one subscription, and
    publications that nobody confirms."""
    name = len(topic).to_bytes(2, "big") + topic.encode()
    # Protocol MQTT, level 4, a clean session, no keep-alive, a name that the broker makes.
    connect = packet(0x10, b"\0\4MQTT\4\2\0\0" + b"\0\0")
    subscribe = packet(0x82, b"\0\1" + name + b"\0")
    publish = packet(0x30, name + bytes(size))[:-size]
    return ["--header", "Sec-WebSocket-Protocol: mqtt",
            "--on-open-hex", (connect + subscribe).hex(),
            "--message-hex", publish.hex() + "{payload}"]


def packet(kind, rest):
    length = len(rest)
    digits = bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (128 if length else 0))
        if not length:
            return bytes([kind]) + bytes(digits) + rest


def tokio():
    binary = os.path.join(rig.BIN, "peer-tokio")

    def version():
        with open(os.path.join(HERE, "tokio", "Cargo.lock")) as lock:
            text = lock.read()
        of = lambda name: re.search(rf'name = "{name}"\nversion = "([^"]+)"', text).group(1)
        return f"{of('tokio-tungstenite')} on tokio {of('tokio')}"

    return Arm("tokio-tungstenite", lambda: program(binary), version)


def named(name, url, pids, flags):
    arm = Arm(name, lambda: Named(url, pids), lambda: f"at {url}", flags)
    arm.is_kept = True
    return arm


PATHS = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"

ARMS = {
    "epoll": lambda: node("epoll"),
    "uring": lambda: node("uring"),
    "bare": bare,
    "tokio": tokio,
    "uws": lambda: in_python("uWebSockets", "uws.py", "socketify", "as in socketify {0}"),
    "nchan": nchan,
    "mosquitto": mosquitto,
    "ws": lambda: on_node("ws", "ws.mjs", "ws"),
    "socketio": lambda: on_node(
        "Socket.IO", "socketio.mjs", "socket.io",
        # Engine.IO's version and transport, Socket.IO's packets CONNECT and EVENT.
        ["--path", "/socket.io/?EIO=4&transport=websocket", "--on-open", "40",
         "--message", '42["publish","{payload}"]']),
    "tornado": lambda: in_python("Tornado", "tornado_server.py", "tornado"),
}


def words(*command):
    """What a program prints, on either stream."""
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return run.stdout.strip()


def packaged(package):
    return words("dpkg-query", "-W", "-f", "${Version}", package) + " of Debian"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
