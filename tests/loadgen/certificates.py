"""The certificates that people really have, behind `wss://`: each works, or the message says
what is wrong and what to do."""

import base64
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

from loadgen.program import loadgen

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
RSA = ("-newkey", "rsa:2048")
LOCAL = "subjectAltName=DNS:localhost,IP:127.0.0.1"
LEAF = "basicConstraints=critical,CA:FALSE"
CA_CONFIG = """
[ca]
default_ca = any
[any]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = whatever
unique_subject = no
[whatever]
commonName = supplied
"""


class Authority:
    """Keys and certificates in a folder, made by openssl."""

    def __init__(self, folder):
        self.folder = folder
        self.write("index", "")
        self.write("serial", "01\n")
        self.write("ca.conf", CA_CONFIG.format(folder=folder))

    def path(self, name):
        """A file of the folder."""
        return os.path.join(self.folder, name)

    def text(self, name):
        """What is in one."""
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text, end=None):
        """Writes one, and says where it is."""
        with open(self.path(name), "w", encoding="utf-8", newline=end) as file:
            file.write(text)
        return self.path(name)

    def openssl(self, *words):
        """Runs openssl."""
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True,
                       timeout=30)

    def own(self, name, *extensions, key=CURVE, subject="/CN=localhost"):
        """A certificate that signs itself."""
        more = [word for it in extensions for word in ("-addext", it)]
        self.openssl("req", "-x509", *key, "-nodes", "-days", "2", "-subj", subject,
                     "-keyout", f"{name}.key", "-out", f"{name}.pem", *more)

    def signed(self, name, by, *extensions, subject="/CN=localhost"):
        """One that another has signed."""
        self.openssl("req", "-new", *CURVE, "-nodes", "-subj", subject,
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.write(f"{name}.ext", "\n".join(extensions))
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey",
                     f"{by}.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext",
                     "-out", f"{name}.pem")

    def dated(self, name, by, start, end):
        """One of another time."""
        self.signed(name, by, LOCAL)
        self.write("dated.ext", LOCAL)
        self.openssl("ca", "-batch", "-config", "ca.conf", "-notext", "-startdate", start,
                     "-enddate", end, "-in", f"{name}.csr", "-cert", f"{by}.pem", "-keyfile",
                     f"{by}.key", "-extfile", "dated.ext", "-out", f"{name}.pem")


class Server:
    """Answers every handshake of a WebSocket behind TLS with 101, until it is closed."""

    def __init__(self, chain, key, wants=None):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(chain, key)
        if wants:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(wants)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain):
        plain.settimeout(10)
        try:
            with self.context.wrap_socket(plain, server_side=True) as stream:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    more = stream.recv(4096)
                    if not more:
                        return
                    head += more
                key = next(line.split(b": ")[1] for line in head.split(b"\r\n")
                           if line.lower().startswith(b"sec-websocket-key"))
                accept = base64.b64encode(hashlib.sha1(key + GUID.encode()).digest())
                stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept
                               + b"\r\n\r\n")
                while stream.recv(4096):
                    pass
        except (OSError, StopIteration):
            pass  # the client's own doing, which it is asked about

    def close(self):
        """Takes no more connections."""
        self.listener.close()


def make(folder):
    """All that the cases need."""
    all_ = Authority(folder)
    all_.own("leaf", LOCAL, LEAF)
    all_.own("root", LOCAL)  # what `openssl req -x509` makes: CA:TRUE
    all_.own("rsa", LOCAL, LEAF, key=RSA)
    all_.own("ed", LOCAL, LEAF, key=("-newkey", "ed25519"))
    all_.own("wild", "subjectAltName=DNS:*.a.localhost", LEAF)
    all_.own("bare", LEAF)
    all_.own("other", "subjectAltName=DNS:other.example", LEAF)
    all_.own("authority", "keyUsage=critical,keyCertSign", subject="/CN=authority")
    all_.signed("middle", "authority", "basicConstraints=critical,CA:TRUE", subject="/CN=middle")
    all_.signed("below", "middle", LOCAL)
    all_.dated("old", "authority", "20200101000000Z", "20200201000000Z")
    all_.dated("new", "authority", "20900101000000Z", "20910101000000Z")
    all_.write("whole.pem", all_.text("below.pem") + all_.text("middle.pem"))
    all_.write("many.pem", all_.text("other.pem") + all_.text("leaf.pem") + all_.text("rsa.pem"))
    all_.write("crlf.pem", all_.text("leaf.pem"), end="\r\n")
    all_.write("talk.pem", f"subject=CN = x\n{all_.text('leaf.key')}\n# and\n{all_.text('leaf.pem')}")
    all_.write("broken.pem", all_.text("leaf.pem").replace("-----END CERTIFICATE", "--"))
    all_.openssl("x509", "-in", "leaf.pem", "-outform", "DER", "-out", "leaf.der")
    return all_


# What it is: the server's certificate, what --ca says, the name in the target, and what the
# message must hold where it does not work.
CASES = [
    ("one that signs itself", "leaf", "leaf.pem", "localhost", None),
    ("one that calls itself an authority", "root", "root.pem", "localhost", None),
    ("an address in it", "leaf", "leaf.pem", "127.0.0.1", None),
    ("RSA", "rsa", "rsa.pem", "localhost", None),
    ("Ed25519", "ed", "ed.pem", "localhost", None),
    ("a wildcard", "wild", "wild.pem", "b.a.localhost", None),
    ("a bundle of several", "leaf", "many.pem", "localhost", None),
    ("ends of lines as Windows has them", "leaf", "crlf.pem", "localhost", None),
    ("a key and text around it", "leaf", "talk.pem", "localhost", None),
    ("DER", "leaf", "leaf.der", "localhost", None),
    ("a whole chain", "whole", "authority.pem", "localhost", None),
    ("a chain without its middle, which --ca has", "below", "middle.pem", "localhost", None),
    ("a chain without its middle", "below", "authority.pem", "localhost", "intermediate"),
    ("an authority that nobody named", "leaf", None, "localhost", "--ca"),
    ("another one in the file", "leaf", "rsa.pem", "localhost", "--ca"),
    ("another name", "other", "other.pem", "localhost", "subjectAltName"),
    ("another name of one that is named itself", "root", "root.pem", "a.localhost",
     "subjectAltName"),
    ("a common name alone", "bare", "bare.pem", "localhost", "subjectAltName"),
    ("one that has expired", "old", "authority.pem", "localhost", "expired"),
    ("one that has expired and is named itself", "old", "old.pem", "localhost", "expired"),
    ("one that is not valid yet", "new", "authority.pem", "localhost", "clock"),
    ("no file", "leaf", "none.pem", "localhost", "No such file"),
    ("a folder", "leaf", ".", "localhost", "folder"),
    ("a key alone", "leaf", "leaf.key", "localhost", "BEGIN CERTIFICATE"),
    ("a file that is cut", "leaf", "broken.pem", "localhost", "--ca"),
]


def connect(binary, port, host, *more):
    """One client that comes and goes."""
    return loadgen(binary, "connect", "--target", f"wss://{host}:{port}", "--path", "/x",
                   "--clients", "1", "--hold", "50ms", "--quiet", "--json", "-", *more)


def judge(report, name, result, words):
    """It came in, or was told what must be told."""
    if words is None:
        report.check(f"certificates: {name}", result.code == 0
                     and result.json()["connect"]["connected"] == 1, result.words)
    else:
        said = result.words
        report.check(f"certificates: {name} is named",
                     result.code in (2, 3) and words in said and not result.text, said)


def ask(binary, report, all_, case):
    """One case with a server of its own."""
    name, certificate, trusted, host, words = case
    key = {"whole": "below"}.get(certificate, certificate)
    server = Server(all_.path(f"{certificate}.pem"), all_.path(f"{key}.key"))
    ca = ("--ca", all_.path(trusted)) if trusted else ()
    judge(report, name, connect(binary, server.port, host, *ca), words)
    server.close()


def others(binary, report, all_):
    """What is no question of trust alone."""
    server = Server(all_.path("other.pem"), all_.path("other.key"))
    judge(report, "--insecure takes any", connect(binary, server.port, "localhost", "--insecure"),
          None)
    plain = loadgen(binary, "connect", "--target", f"ws://localhost:{server.port}/", "--clients",
                    "1", "--quiet", "--json", "-")
    judge(report, "ws:// where TLS is spoken", plain, "nobody could connect")
    server.close()
    wanting = Server(all_.path("leaf.pem"), all_.path("leaf.key"), all_.path("authority.pem"))
    asked = connect(binary, wanting.port, "localhost", "--ca", all_.path("leaf.pem"))
    judge(report, "a server that wants one of its client", asked, "loadgen has none")
    wanting.close()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer():
            client, _ = listener.accept()
            client.recv(4096)
            client.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            client.close()
        threading.Thread(target=answer, daemon=True).start()
        port = listener.getsockname()[1]
        judge(report, "wss:// where no TLS is spoken", connect(binary, port, "localhost"),
              "use ws://")


def run(binary, report):
    """All cases, one after the other."""
    if not shutil.which("openssl"):
        report.skip("certificates", "openssl is missing: see scripts/setup-tests")
        return
    with tempfile.TemporaryDirectory() as folder:
        all_ = make(folder)
        for case in CASES:
            ask(binary, report, all_, case)
        others(binary, report, all_)
