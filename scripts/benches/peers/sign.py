"""Signs publications on their way to Sockudo, whose HTTP API takes no others.

The generator writes the same head before each, and a signature is one of time and body. This stands
on the generator's core, so that what signing costs is not in the server's CPU. Requests are handed
on and answers handed back as they come, so that as many are under way as the generator wants.
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
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n")
    return head.encode() + body


def length(head):
    names = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    return int(names[b"content-length"])


async def hand_back(answers, publisher):
    while piece := await answers.read(65_536):
        publisher.write(piece)
        await publisher.drain()
    publisher.close()


async def hand_on(requests, publisher, port):
    answers, server = await asyncio.open_connection("127.0.0.1", port)
    back = asyncio.create_task(hand_back(answers, publisher))
    try:
        while True:
            head = await requests.readuntil(b"\r\n\r\n")
            server.write(signed(await requests.readexactly(length(head))))
            await server.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # one of the two has gone
    finally:
        back.cancel()
        server.close()
        publisher.close()


async def main():
    port = int(sys.argv[1])
    listener = await asyncio.start_server(lambda *ends: hand_on(*ends, port), "127.0.0.1", 0)
    host, own = listener.sockets[0].getsockname()
    print(f"listening on http://{host}:{own}", flush=True)
    await listener.serve_forever()


asyncio.run(main())
