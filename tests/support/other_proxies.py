"""Caddy, Traefik, Envoy, lighttpd and h2o in front of a node, each with the repository's own
configuration; `proxies` has what all share.

Three of them come as Python packages, in `.cache/proxies`.
"""

import glob
import os
import shutil
import signal

from support import places
from support.children import free_port, spawn
from support.proxies import Proxy, find

SCRIPTS = os.path.join(places.ROOT, "scripts")


def bare(lines):
    """Lines that stand in a configuration as comments, without their `# `."""
    return "".join(line.replace("# ", "", 1) if line.lstrip().startswith("# ") else line
                   for line in lines.splitlines(keepends=True))


class Behind(Proxy):
    """A proxy that wants one plain listener of the node."""

    def __init__(self, node_port, certificate=None, changes=()):
        super().__init__(certificate, changes)
        self.node_port = node_port

    def uncommented(self, first, last):
        """The replacement that takes lines of the configuration, which are examples, for true."""
        with open(self.CONFIGURATION, encoding="utf-8") as file:
            text = file.read()
        begin = text.index(first)
        begin = text.rindex("\n", 0, begin) + 1
        end = text.index("\n", text.index(last, begin)) + 1
        return text[begin:end], self.placed(bare(text[begin:end]))

    def placed(self, text):
        """With the addresses and files of this place."""
        for old, new in (("127.0.0.1:8443", f"127.0.0.1:{self.tls_port}"),
                         ("port: 8443", f"port: {self.tls_port}"),
                         ("port_value: 8443", f"port_value: {self.tls_port}"),
                         ("/etc/altavoz/tls.crt", self.certificate.crt),
                         ("/etc/altavoz/tls.key", self.certificate.key)):
            text = text.replace(old, new)
        return text


class Caddy(Behind):
    """Caddy."""

    NAME, PROGRAM = "Caddy", "caddy"
    CONFIGURATION = os.path.join(SCRIPTS, "caddy", "Caddyfile")

    def __init__(self, node_port, certificate=None, changes=()):
        super().__init__(node_port, certificate, changes)
        self.admin_port = free_port()

    def replacements(self):
        changes = [("127.0.0.1:2019", f"127.0.0.1:{self.admin_port}"),
                   ("http://:8000 {", f"http://:{self.port} {{"),
                   ("127.0.0.1:8001", f"127.0.0.1:{self.node_port}")]
        if self.certificate:
            changes.append((f"http://:{self.port} {{", self._second_site()))
        return changes

    def _second_site(self):
        # The same site again with TLS, before the other.
        with open(self.CONFIGURATION, encoding="utf-8") as file:
            site = file.read().partition("http://:8000 {")[2]
        site = site.replace("127.0.0.1:8001", f"127.0.0.1:{self.node_port}")
        site = self.placed(site.replace("# tls /etc", "tls /etc"))
        return f"https://:{self.tls_port} {{{site}\nhttp://:{self.port} {{"

    def environment(self):
        return {**os.environ, "HOME": self.folder.name, "XDG_DATA_HOME": self.folder.name,
                "XDG_CONFIG_HOME": self.folder.name}

    def command(self, configuration):
        return [find(self.PROGRAM), "run", "--adapter", "caddyfile", "--config", configuration]

    def reload(self):
        child = spawn([find(self.PROGRAM), "reload", "--force", "--adapter", "caddyfile",
                       "--config", self.place("configuration"),
                       "--address", f"127.0.0.1:{self.admin_port}"],
                      stdout=self.log, stderr=self.log, env=self.environment())
        if child.wait(20):
            raise RuntimeError(f"the reload failed:\n{self.log_text()}")


class Traefik(Behind):
    """Traefik."""

    NAME, PROGRAM = "Traefik", "traefik"
    CONFIGURATION = os.path.join(SCRIPTS, "traefik", "traefik.yml")
    ROUTES = os.path.join(SCRIPTS, "traefik", "routes.yml")

    def replacements(self):
        changes = [("scripts/traefik/routes.yml", self.place("routes.yml")),
                   ("127.0.0.1:8000", f"127.0.0.1:{self.port}")]
        if self.certificate:
            changes.append(self.uncommented("# websecure:", "#     tls: {}"))
        return changes

    def command(self, configuration):
        os.rename(configuration, self.place("traefik.yml"))
        self.write_routes()
        return [find(self.PROGRAM), f"--configFile={self.place('traefik.yml')}"]

    def write_routes(self, comment=""):
        """Writes what it reads anew when it changes."""
        with open(self.ROUTES, encoding="utf-8") as file:
            text = file.read()
        text = text.replace("http://127.0.0.1:8001", f"http://127.0.0.1:{self.node_port}")
        if self.certificate:
            head, mark, rest = text.partition("# altavoz-tls:")
            router, empty, rest = rest.partition("\n\n")
            head, begin = head.rsplit("\n", 1)
            text = f"{head}\n{bare(begin + mark + router)}{empty}{rest}"
            head, mark, rest = text.partition("# tls:")
            text = head + self.placed(bare(mark + rest))
        # In one step, so that no half of it is read.
        with open(self.place("routes.new"), "w", encoding="utf-8") as file:
            file.write(text + comment)
        os.rename(self.place("routes.new"), self.place("routes.yml"))

    def reload(self):
        self.write_routes("# again\n")


class Envoy(Behind):
    """Envoy."""

    NAME, PROGRAM = "Envoy", "envoy"
    CONFIGURATION = os.path.join(SCRIPTS, "envoy", "envoy.yaml")
    # Nodes that are restarted hot share memory by this number.
    BASE = [os.getpid() % 10_000 * 100]

    def __init__(self, node_port, certificate=None, changes=()):
        super().__init__(node_port, certificate, changes)
        self.BASE[0] += 1
        self.base = self.BASE[0]
        self.epoch = 0
        self.children = []

    @classmethod
    def program(cls):
        """The program itself: the package's command ends in it, but is slow to."""
        there = glob.glob(os.path.join(places.PROXIES, "lib", "*", "site-packages", "envoy",
                                       "_bin", "envoy"))
        return there[0] if there else shutil.which(cls.PROGRAM)

    @classmethod
    def missing(cls):
        return None if cls.program() else f"envoy is missing: {places.SETUP_HINT}"

    def replacements(self):
        changes = [("port_value: 8000", f"port_value: {self.port}"),
                   ("port_value: 8001", f"port_value: {self.node_port}")]
        if self.certificate:
            changes.append(self.uncommented("# - name: websecure", "private_key:"))
        return changes

    def configure(self):
        path = super().configure()
        os.replace(path, f"{path}.yaml")
        return f"{path}.yaml"

    def command(self, configuration):
        return [self.program(), "-c", configuration, "--concurrency", "2", "--log-level", "warn",
                "--base-id", str(self.base), "--restart-epoch", str(self.epoch),
                "--drain-time-s", "600", "--parent-shutdown-time-s", "900"]

    def reload(self):
        self.children.append(self.child)
        self.epoch += 1
        self.start()

    def kill(self):
        for child in [self.child, *self.children]:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        self.children, self.epoch = [], 0
        # What a killed one leaves in shared memory would be in the next one's way.
        self.BASE[0] += 1
        self.base = self.BASE[0]


class Lighttpd(Behind):
    """lighttpd."""

    NAME, PROGRAM = "lighttpd", "lighttpd"
    CONFIGURATION = os.path.join(SCRIPTS, "lighttpd", "lighttpd.conf")
    HAS_SECOND_SOCKETS = True
    RELOAD = signal.SIGUSR1

    def replacements(self):
        changes = [("server.port = 8000", f"server.port = {self.port}"),
                   ('"port" => 8001', f'"port" => {self.node_port}'),
                   ("server.max-fds = 65536", "server.max-fds = 4096"),
                   ("server.max-connections = 32768", "server.max-connections = 2048")]
        if self.certificate:
            changes.append(self.uncommented("# server.modules +=", "# }"))
        return changes

    def command(self, configuration):
        return [find(self.PROGRAM), "-D", "-f", configuration]


class H2o(Behind):
    """h2o."""

    NAME, PROGRAM = "h2o", "h2o"
    CONFIGURATION = os.path.join(SCRIPTS, "h2o", "h2o.conf")
    HOLDS_BACK = False

    def replacements(self):
        changes = [("  port: 8000", f"  port: {self.port}"),
                   ("127.0.0.1:8001", f"127.0.0.1:{self.node_port}")]
        if self.certificate:
            changes.append(self.uncommented("# listen:", "key-file:"))
        if os.geteuid() == 0:
            # Another user could not read the folder.
            changes.append(("max-connections:", "user: root\nmax-connections:"))
        return changes

    def command(self, configuration):
        # With a master process, which takes reloads.
        return [find(self.PROGRAM), "-m", "master", "-c", configuration]
