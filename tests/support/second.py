"""A WebSocket by HTTP/2 (RFC 8441) with the face of a `Link`, so that readers need not know.

Owns the translation: the opening handshake becomes an extended CONNECT, the answer's head a 101,
and frames are the stream's data. HTTP/2 itself is the package `h2`, in `.cache/proxies`.
"""

from support.raw import Gone, Link

try:
    import h2.config
    import h2.connection
    import h2.events
    import h2.settings
    MISSING = None
except ImportError:
    from support import places
    MISSING = f"the package h2 is missing: {places.SETUP_HINT}"

# What stands in a request by HTTP/1.1 and nowhere in one by HTTP/2.
LEFT_OUT = ("host", "upgrade", "connection", "sec-websocket-key")


class NotOffered(Exception):
    """The other side does not take WebSockets by HTTP/2: browsers make a second connection."""


class SecondLink(Link):
    """One WebSocket on an HTTP/2 connection of its own."""

    def __init__(self, port, tls=None, **options):
        super().__init__(port, tls=tls, **options)
        self.port = port
        self.stream = None
        self.head = None
        if self.socket.selected_alpn_protocol() != "h2":
            raise NotOffered(f"ALPN is {self.socket.selected_alpn_protocol()}")
        configuration = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(configuration)
        self.h2.initiate_connection()
        self._flush()
        while not any(isinstance(event, h2.events.RemoteSettingsChanged) for event in self._read()):
            pass
        if not self.h2.remote_settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL):
            raise NotOffered("its settings do not have ENABLE_CONNECT_PROTOCOL")

    def send(self, data):
        if self.stream is None:
            self._connect(data)
        else:
            self.h2.send_data(self.stream, data)
        self._flush()

    def _connect(self, data):
        first, *lines = data.decode().rstrip("\r\n").split("\r\n")
        self.stream = self.h2.get_next_available_stream_id()
        headers = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
                   (":path", first.split(" ")[1]), (":authority", f"127.0.0.1:{self.port}")]
        for name, value in (line.split(": ", 1) for line in lines):
            if name.lower() not in LEFT_OUT:
                headers.append((name.lower(), value))
        self.h2.send_headers(self.stream, headers)

    def response(self, head_only=False):
        while self.head is None:
            self.more()
        status = int(self.head[":status"])
        # RFC 8441 §5: 200 is what 101 is in HTTP/1.1.
        return 101 if status == 200 else status, self.head, b""

    def more(self):
        """At least one more byte, or the head."""
        before, head = len(self.buffer), self.head
        while len(self.buffer) == before and self.head is head:
            self._read()

    def _read(self):
        data = self.socket.recv(1 << 16)
        if not data:
            raise Gone("the connection ended")
        events = self.h2.receive_data(data)
        for event in events:
            self._handle(event)
        self._flush()
        return events

    def _handle(self, event):
        if isinstance(event, h2.events.ResponseReceived):
            self.head = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.buffer += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset,
                                h2.events.ConnectionTerminated)) and self.head is None:
            raise Gone(f"{event}")
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise Gone("the other side went away")

    def _flush(self):
        if data := self.h2.data_to_send():
            self.socket.sendall(data)
