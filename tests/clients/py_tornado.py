"""A receiving client on Python's tornado. The contract stands in run.py."""

import asyncio

import tornado
from tornado.websocket import websocket_connect

import peer


async def main():
    options = peer.arguments()
    peer.say("client", "tornado", tornado.version)
    socket = await websocket_connect(options.url)
    peer.say("open")
    await peer.receive(options, socket.read_message, socket.write_message)
    socket.close(1000)
    assert await socket.read_message() is None
    peer.say_closed(socket.close_code)


asyncio.run(main())
