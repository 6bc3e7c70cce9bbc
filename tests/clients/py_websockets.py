"""A receiving client on Python's `websockets`. The contract stands in run.py."""

import asyncio

import websockets

import peer


async def main():
    options = peer.arguments()
    peer.say("client", "websockets", websockets.__version__)
    async with websockets.connect(options.url, proxy=None) as socket:
        peer.say("open")
        await peer.receive(options, socket.recv, socket.send)
        await socket.close(1000)
    peer.say_closed(socket.close_code)


asyncio.run(main())
