"""Signs publications on their way to Sockudo, whose HTTP API takes no others.

The generator writes the same head before each, and a signature is one of time and body. This stands
on the generator's core, so that what signing costs is not in the server's CPU. The API closes each
connection behind its answer, so that every publication has one of its own; they go one behind the
other, as they came.
"""

import asyncio
import hashlib
import hmac
import sys
import time

PATH = "/apps/bench/events"
KEY, SECRET = "bench-key", b"bench-secret"


def signed(body):
    """A request of Pusher's HTTP API: the parameters in the order in which they are signed."""
    query = (f"auth_key={KEY}&auth_timestamp={int(time.time())}&auth_version=1.0"
             f"&body_md5={hashlib.md5(body).hexdigest()}")
    signature = hmac.new(SECRET, f"POST\n{PATH}\n{query}".encode(), hashlib.sha256).hexdigest()
    head = (f"POST {PATH}?{query}&auth_signature={signature} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "Content-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


def length(head):
    names = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    return int(names[b"content-length"])


async def ask(port, request):
    """The status that a request is answered with."""
    answers, server = await asyncio.open_connection("127.0.0.1", port)
    server.write(request)
    answer = await answers.read()
    server.close()
    return answer.split(b" ", 2)[1] if answer.startswith(b"HTTP/1.1 ") else b"502"


async def hand_on(requests, publisher, port):
    try:
        while True:
            head = await requests.readuntil(b"\r\n\r\n")
            body = await requests.readexactly(length(head))
            status = await ask(port, signed(body))
            publisher.write(b"HTTP/1.1 " + status + b" \r\nContent-Length: 0\r\n\r\n")
            await publisher.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # one of the two has gone
    finally:
        publisher.close()


async def main():
    port = int(sys.argv[1])
    listener = await asyncio.start_server(lambda *ends: hand_on(*ends, port), "127.0.0.1", 0)
    host, own = listener.sockets[0].getsockname()
    print(f"listening on http://{host}:{own}", flush=True)
    await listener.serve_forever()


asyncio.run(main())
