"""How the generator speaks to servers that have a protocol of their own, in its own flags.

Each takes the size of payloads, since lengths stand in some envelopes, and gives flags of loadgen.
"""

import urllib.request

# The generator's topic, which stands where its own `{topic}` is not replaced.
TOPIC = "loadgen"


def nchan(_):
    return ["--path", "/sub?id={topic}", "--publish", "http", "--path-for", "publish=/pub?id={topic}"]


def socketio(_):
    """Engine.IO's version and transport, Socket.IO's packets CONNECT and EVENT."""
    return ["--path", "/socket.io/?EIO=4&transport=websocket", "--on-open", "40",
            "--message", '42["publish","{payload}"]']


def pusher(_):
    """A subscription to a public channel; publications are events of Pusher's HTTP API."""
    return ["--path", "/app/bench-key?protocol=7&client=loadgen&version=1.0",
            "--on-open", '{"event":"pusher:subscribe","data":{"channel":"{topic}"}}',
            "--publish", "http",
            "--message", '{"name":"publication","channel":"{topic}","data":"{payload}"}']


def durable_streams(_):
    """A stream of JSON, which keeps publications apart, from its end on."""
    return ["--transports", "sse", "--path", "/{topic}?offset=now&live=sse", "--publish", "http",
            "--path-for", "publish=/{topic}", "--header", "Content-Type: application/json",
            "--message", '"{payload}"']


def create_stream(base):
    """It is there before the first reader."""
    request = urllib.request.Request(f"{base}/{TOPIC}", method="PUT",
                                     headers={"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def nats(size):
    """Each connection is a subscriber, as with the others; nothing is confirmed."""
    opening = 'CONNECT {"verbose":false,"lang":"loadgen","version":"1"}\r\nSUB {topic} 1\r\n'
    return ["--on-open", opening, "--message", f"PUB {{topic}} {size}\r\n{{payload}}\r\n"]


def mqtt(size):
    """MQTT 3.1.1: a connection that never times out, one subscription, and publications that nobody
    confirms."""
    topic = TOPIC.encode()
    name = len(topic).to_bytes(2, "big") + topic
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
