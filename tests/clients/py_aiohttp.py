"""A receiving client on Python's aiohttp. The contract stands in run.py."""

import asyncio

import aiohttp

import peer


async def main():
    options = peer.arguments()
    peer.say("client", "aiohttp", aiohttp.__version__)
    async with aiohttp.ClientSession() as session, session.ws_connect(options.url) as socket:
        peer.say("open")

        async def next_message():
            message = await socket.receive()
            assert message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), message
            return message.data

        await peer.receive(options, next_message, socket.send_str)
        await socket.close(code=1000)
    peer.say_closed(socket.close_code)


asyncio.run(main())
