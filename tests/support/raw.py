"""HTTP/1.1 and RFC 6455 by hand over plain sockets, so that a test can also do it wrong.

Owns one socket a `Link`. Deliberately knows nothing of the node's rules.
"""

import base64
import json
import os
import socket
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Gone(Exception):
    """The other side ended the connection where more bytes were expected."""


class Link:
    """A TCP connection with a read buffer; with `tls`, a context, through TLS; with `source`, from
    that address."""

    def __init__(self, port, timeout=10, receive_buffer=None, connect=True, tls=None, source=None,
                 host="127.0.0.1"):
        self.buffer = b""
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            if source:
                self.socket.bind((source, 0))
            if connect:
                self.socket.connect((host, port))
            if tls:
                self.socket = tls.wrap_socket(self.socket, server_hostname=host)
        except OSError:
            self.socket.close()
            raise

    def send(self, data):
        """Sends all of it."""
        self.socket.sendall(data)

    def close(self):
        """Closes the socket."""
        self.socket.close()

    def reset(self):
        """Closes with RST, as a host that died does once it is back."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def take(self, count):
        """Exactly `count` bytes."""
        while len(self.buffer) < count:
            self.more()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def until(self, mark):
        """Everything up to and including `mark`."""
        while mark not in self.buffer:
            self.more()
        head, _, self.buffer = self.buffer.partition(mark)
        return head + mark

    def ended(self, timeout=5):
        """Whether the other side ends the connection (FIN or RST) within `timeout` seconds."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(65536):
                    return True
            except (ConnectionError, BrokenPipeError):
                return True
            except TimeoutError:
                return False
        return False

    def more(self):
        """At least one more byte into the buffer; `Gone` where the other side has ended."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError as error:
            raise Gone(str(error)) from error
        if not data:
            raise Gone(f"ended with {len(self.buffer)} bytes unread: {self.buffer[:200]!r}")
        self.buffer += data

    def response(self, head_only=False):
        """The next response: (status, headers with lower-case names, body)."""
        head = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        headers = {}
        for line in filter(None, head[1:]):
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if head_only or status in (101, 204, 304) or 100 <= status < 200:
            return status, headers, b""
        return status, headers, self.body(headers)

    def body(self, headers):
        """The body behind a head: sized, chunked, or until the end of the connection."""
        if "content-length" in headers:
            return self.take(int(headers["content-length"]))
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while (size := int(self.until(b"\r\n").split(b";")[0], 16)):
                body += self.take(size + 2)[:-2]
            self.until(b"\r\n")
            return body
        try:
            while True:
                self.more()
        except Gone:
            body, self.buffer = self.buffer, b""
            return body

    def upgrade(self, path, extra=""):
        """A correct opening handshake; returns the status."""
        self.send(upgrade_request(path, extra))
        return self.response()[0]

    def frame(self):
        """The next frame: (fin, opcode, payload)."""
        first, second = self.take(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self.take(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self.take(8))[0]
        return bool(first & 0x80), first & 0x0F, self.take(length)

    def close_frame(self):
        """Skips to the close frame: (code, reason). Code 1005 if it has none, 1006 if none came."""
        try:
            while True:
                _, opcode, payload = self.frame()
                if opcode == CLOSE:
                    break
        except Gone:
            return 1006, ""
        if len(payload) < 2:
            return 1005, ""
        return struct.unpack(">H", payload[:2])[0], payload[2:].decode("utf-8", "replace")


def upgrade_request(path, extra="", host="127.0.0.1"):
    """The bytes of a correct opening handshake; `extra` are header lines that end in CRLF."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{extra}\r\n").encode()


def frame(opcode, payload=b"", fin=True, masked=True, rsv=0, length=None):
    """A frame from a client; `length` lies about the payload's length."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += struct.pack(">BH", bit | 126, size)
    else:
        head += struct.pack(">BQ", bit | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + mask(payload, key)


def mask(payload, key):
    """The payload XORed with the repeated key (RFC 6455 §5.3)."""
    if not payload:
        return b""
    repeated = (key * (len(payload) // 4 + 1))[:len(payload)]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return mixed.to_bytes(len(payload), "big")


def post_request(path, body, content_type="text/plain", extra=""):
    """The bytes of a POST with a sized body."""
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\n{extra}\r\n").encode() + body


def error_of(body):
    """`error.message` of an error answer, or None where the body has not that shape."""
    try:
        error = json.loads(body)["error"]
        return error["message"] if error["code"] else None
    except (ValueError, KeyError, TypeError):
        return None
