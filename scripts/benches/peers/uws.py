"""A broadcast by uWebSockets: what a client sends goes to all clients of its path.

The server is uWebSockets' own, with its publish and subscribe; Python, by socketify, is only asked
once for each connection and each publication.
"""

import os
import signal

from socketify import App, AppListenOptions, CompressOptions

app = App()


def upgrade(response, request, context):
    response.upgrade(
        request.get_header("sec-websocket-key"),
        request.get_header("sec-websocket-protocol"),
        request.get_header("sec-websocket-extensions"),
        context,
        {"path": request.get_url()},
    )


def opened(socket):
    socket.subscribe(socket.get_user_data()["path"])


def publish(socket, message, opcode):
    # By the application and not by the socket, which would leave itself out.
    app.publish(socket.get_user_data()["path"], message, opcode)


app.ws("/*", {
    "compression": CompressOptions.DISABLED,
    # By default it takes no more than 16 KiB, and drops what is published to a client for which
    # 64 KiB wait.
    "max_payload_length": 16 * 1024 * 1024,
    "max_backpressure": 16 * 1024 * 1024,
    "upgrade": upgrade,
    "open": opened,
    "message": publish,
})
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
app.listen(
    AppListenOptions(port=0, host="127.0.0.1"),
    lambda config: print(f"listening on http://127.0.0.1:{config.port}", flush=True),
)
app.run()
