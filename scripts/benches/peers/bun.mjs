// A broadcast by Bun, whose WebSockets and topics are uWebSockets': what a client sends goes to all
// clients of its path. JavaScript is asked once a connection and once a publication.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const path = new URL(request.url).pathname;
    if (server.upgrade(request, { data: path })) return undefined;
    return new Response("a WebSocket is wanted\n", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    // What may wait for one client before publications to it are dropped.
    backpressureLimit: 16 * 1024 * 1024,
    open(socket) {
      socket.subscribe(socket.data);
    },
    message(socket, message) {
      // By the server and not by the socket, which would leave itself out.
      server.publish(socket.data, message);
    },
  },
});

console.log(`listening on http://127.0.0.1:${server.port}`);

process.on("SIGTERM", () => process.exit(0));
