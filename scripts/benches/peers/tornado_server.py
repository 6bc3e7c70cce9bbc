"""A broadcast by Tornado: what a client sends goes to all clients of its path."""

import asyncio
import collections
import signal

from tornado import httpserver, netutil, web, websocket

ROOMS = collections.defaultdict(set)


class Subscriber(websocket.WebSocketHandler):
    def open(self, path):
        self.room = ROOMS[path]
        self.room.add(self)
        self.set_nodelay(True)

    def on_message(self, message):
        binary = isinstance(message, bytes)
        for subscriber in self.room:
            try:
                subscriber.write_message(message, binary)
            except websocket.WebSocketClosedError:
                pass  # its on_close follows

    def on_close(self):
        self.room.discard(self)


async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    sockets = netutil.bind_sockets(0, "127.0.0.1")
    server = httpserver.HTTPServer(web.Application([(r"(/.*)", Subscriber)]))
    server.add_sockets(sockets)
    print(f"listening on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()


asyncio.run(main())
