"""Proxies in front of a node, as child processes on free ports, with the repository's own
configurations.

A configuration is a file that a user may copy. What differs here (addresses, certificate, places
for files) is replaced in a copy of it, and a text that is not there to be replaced is an error.
"""

import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.request

from support import places
from support.children import free_port, spawn
from support.raw import Gone, Link

START_SECONDS = 20
HAPROXY_CFG = os.path.join(places.ROOT, "scripts", "haproxy", "haproxy.cfg")
NGINX_CONF = os.path.join(places.ROOT, "scripts", "nginx", "nginx.conf")
PLAIN_CONF = os.path.join(places.TESTS, "proxies", "nginx-plain.conf")
HTTPD_CONF = os.path.join(places.ROOT, "scripts", "httpd", "httpd.conf")


def find(program):
    """The program's path, also where only root or scripts/setup-tests look; None where it is
    missing."""
    path = os.pathsep.join([os.path.join(places.PROXIES, "bin"), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(program) or shutil.which(program, path=path)


class Certificate:
    """A certificate of its own for 127.0.0.1, for a day."""

    def __init__(self, folder):
        self.crt = os.path.join(folder, "tls.crt")
        self.key = os.path.join(folder, "tls.key")
        self.pem = os.path.join(folder, "tls.pem")
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                   "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                   "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                   "-keyout", self.key, "-out", self.crt]
        subprocess.run(command, check=True, capture_output=True)
        with open(self.pem, "wb") as pem:
            for part in (self.crt, self.key):
                with open(part, "rb") as file:
                    pem.write(file.read())
        self.context = ssl.create_default_context(cafile=self.crt)
        # For HTTP/2 (RFC 7301).
        self.second = ssl.create_default_context(cafile=self.crt)
        self.second.set_alpn_protocols(["h2"])


class Proxy:
    """One proxy on free ports. `changes` are replacements beside its own; with `certificate` it
    listens for TLS too. A subclass says how it is configured and started."""

    NAME = PROGRAM = CONFIGURATION = None
    # Whether it hands upgrades on, and whether it takes WebSockets by HTTP/2.
    HAS_SOCKETS = True
    HAS_SECOND_SOCKETS = False
    # Whether it says who the client is.
    NAMES_CLIENTS = True
    # Whether it stops reading from the node when a client does not read from it.
    HOLDS_BACK = True
    RELOAD = signal.SIGHUP

    def __init__(self, certificate=None, changes=()):
        self.port = free_port()
        self.tls_port = free_port() if certificate else None
        self.certificate = certificate
        self.changes = list(changes)
        self.folder = tempfile.TemporaryDirectory(prefix="altavoz-proxy-")
        self.log = open(self.place("output.log"), "ab")  # closed with the folder
        self.child = None

    @classmethod
    def missing(cls):
        """Why it cannot be tried here, or None."""
        return None if find(cls.PROGRAM) else f"{cls.PROGRAM} is missing: {places.SETUP_HINT}"

    def place(self, name):
        """A path in its folder."""
        return os.path.join(self.folder.name, name)

    def configure(self):
        """Writes the copy of its configuration; returns the path."""
        with open(self.CONFIGURATION, encoding="utf-8") as file:
            text = file.read()
        for old, new in [*self.replacements(), *self.changes]:
            if old not in text:
                raise RuntimeError(f"{self.CONFIGURATION} has no {old!r}")
            text = text.replace(old, new)
        path = self.place("configuration")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def start(self):
        """Starts it and waits until it answers for the node."""
        self.child = spawn(self.command(self.configure()), stdout=self.log,
                           stderr=subprocess.STDOUT, env=self.environment())
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.child.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.NAME} does not answer:\n{self.log_text()}")
            time.sleep(0.05)
        return self

    def environment(self):
        """Its environment."""
        return dict(os.environ)

    def answers(self):
        """Whether the node's /healthz is reached by it."""
        try:
            with Link(self.port, timeout=3) as link:
                link.send(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                return link.response()[0] == 200
        except (OSError, Gone, ValueError, IndexError):
            return False

    def reload(self):
        """Takes its configuration anew; its clients stay with its old processes."""
        self.child.send_signal(self.RELOAD)

    def kill(self):
        """SIGKILL for all of its processes."""
        os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def stop(self):
        """Ends it."""
        if self.child and self.child.poll() is None:
            self.kill()
        self.log.close()
        self.folder.cleanup()

    def log_text(self):
        """The end of what it printed."""
        with open(self.log.name, encoding="utf-8", errors="replace") as log:
            return log.read()[-3000:]

    def replacements(self):
        """(what stands in the configuration, what stands here)."""
        raise NotImplementedError

    def command(self, configuration):
        """The command line."""
        raise NotImplementedError

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Haproxy(Proxy):
    """HAProxy; it wants a PROXY listener of each of two nodes."""

    NAME, PROGRAM, CONFIGURATION = "HAProxy", "haproxy", HAPROXY_CFG
    HAS_SECOND_SOCKETS = True
    RELOAD = signal.SIGUSR2

    def __init__(self, proxy_ports, certificate=None, changes=()):
        super().__init__(certificate, changes)
        self.proxy_ports = proxy_ports
        self.stats_port = free_port()

    def replacements(self):
        if not self.certificate:
            return []
        return [("    # bind 127.0.0.1:8443 ssl crt /etc/altavoz/tls.pem alpn h2,http/1.1",
                 f"    bind 127.0.0.1:{self.tls_port} ssl crt {self.certificate.pem} alpn h2,http/1.1")]

    def environment(self):
        return {**os.environ,
                "ALTAVOZ_BIND": f"127.0.0.1:{self.port}",
                "ALTAVOZ_STATS": f"127.0.0.1:{self.stats_port}",
                "ALTAVOZ_NODE1": f"127.0.0.1:{self.proxy_ports[0]}",
                "ALTAVOZ_NODE2": f"127.0.0.1:{self.proxy_ports[1]}"}

    def command(self, configuration):
        # With a master process, which stays in the foreground and takes reloads.
        return [find(self.PROGRAM), "-W", "-f", configuration]

    def servers(self):
        """Name to the row of the statistics, for the nodes; empty where HAProxy does not answer."""
        try:
            url = f"http://127.0.0.1:{self.stats_port}/stats;csv"
            with urllib.request.urlopen(url, timeout=3) as answer:
                lines = answer.read().decode().lstrip("# ").splitlines()
        except OSError:
            return {}
        names = lines[0].split(",")
        rows = [dict(zip(names, line.split(","))) for line in lines[1:] if line]
        return {row["svname"]: row for row in rows if row["pxname"] == "nodes"}


class Nginx(Proxy):
    """nginx; it wants one plain listener of the node."""

    NAME, PROGRAM, CONFIGURATION = "nginx", "nginx", NGINX_CONF

    def __init__(self, node_port, certificate=None, changes=()):
        super().__init__(certificate, changes)
        self.node_port = node_port

    def replacements(self):
        # Its own places for files, since it may have no right to those of the system.
        places_here = "".join(f"{kind}_temp_path {self.place(kind)}; " for kind in
                              ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        changes = [("http {", f"http {{ access_log off; {places_here}"),
                   ("listen 127.0.0.1:8000;", f"listen 127.0.0.1:{self.port};"),
                   ("127.0.0.1:8001", f"127.0.0.1:{self.node_port}")]
        if self.certificate:
            changes += [("# listen 127.0.0.1:8443", f"listen 127.0.0.1:{self.tls_port}"),
                        ("# ssl_certificate /etc/altavoz/tls.crt",
                         f"ssl_certificate {self.certificate.crt}"),
                        ("# ssl_certificate_key /etc/altavoz/tls.key",
                         f"ssl_certificate_key {self.certificate.key}")]
        return changes

    def command(self, configuration):
        # Workers run as whoever starts it: another user could not use the folder.
        user = "user root; " if os.geteuid() == 0 else ""
        return [find(self.PROGRAM), "-p", self.folder.name, "-c", configuration, "-e", "stderr",
                "-g", f"daemon off; {user}pid {self.place('pid')};"]


class PlainNginx(Nginx):
    """nginx with one proxy_pass."""

    NAME, CONFIGURATION = "plain nginx", PLAIN_CONF
    HAS_SOCKETS = NAMES_CLIENTS = False


class Httpd(Proxy):
    """Apache; it wants one plain listener of the node."""

    NAME, PROGRAM, CONFIGURATION = "httpd", "apache2", HTTPD_CONF
    HAS_SECOND_SOCKETS = True
    RELOAD = signal.SIGUSR1

    def __init__(self, node_port, certificate=None, changes=()):
        super().__init__(certificate, changes)
        self.node_port = node_port

    def replacements(self):
        changes = [("Listen 127.0.0.1:8000", f"Listen 127.0.0.1:{self.port}"),
                   ("<VirtualHost *:8000>", f"<VirtualHost *:{self.port}>"),
                   ("127.0.0.1:8001", f"127.0.0.1:{self.node_port}"),
                   ("/run/altavoz-httpd.pid", self.place("pid")),
                   ("/var/log/altavoz-httpd.log", self.place("error.log"))]
        if self.certificate:
            changes += [("# Listen 127.0.0.1:8443", f"Listen 127.0.0.1:{self.tls_port}"),
                        (f"<VirtualHost *:{self.port}>", self._second_host())]
        return changes

    def _second_host(self):
        # The same host again on the other port, with TLS.
        with open(self.CONFIGURATION, encoding="utf-8") as file:
            host = file.read().split("<VirtualHost *:8000>")[1].partition("</VirtualHost>")[0]
        for old, new in (("127.0.0.1:8001", f"127.0.0.1:{self.node_port}"),
                         ("# SSLEngine on", "SSLEngine on"),
                         ("# SSLCertificateFile /etc/altavoz/tls.crt",
                          f"SSLCertificateFile {self.certificate.crt}"),
                         ("# SSLCertificateKeyFile /etc/altavoz/tls.key",
                          f"SSLCertificateKeyFile {self.certificate.key}"),
                         ("# Protocols h2", "Protocols h2"),
                         ("# H2WebSockets", "H2WebSockets")):
            host = host.replace(old, new)
        return (f"<VirtualHost *:{self.tls_port}>{host}</VirtualHost>\n"
                f"<VirtualHost *:{self.port}>")

    def command(self, configuration):
        return [find(self.PROGRAM), "-d", self.folder.name, "-f", configuration, "-D", "FOREGROUND",
                "-c", f"DefaultRuntimeDir {self.folder.name}"]

    def log_text(self):
        text = super().log_text()
        if os.path.exists(self.place("error.log")):
            with open(self.place("error.log"), encoding="utf-8", errors="replace") as log:
                text += log.read()[-3000:]
        return text
