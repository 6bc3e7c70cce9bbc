// A broadcast by ws: what a client sends goes to all clients of its path.
import { WebSocket, WebSocketServer } from "ws";

const rooms = new Map();

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  clientTracking: false,
  perMessageDeflate: false,
});

server.on("connection", (socket, request) => {
  const room = rooms.get(request.url) ?? new Set();
  rooms.set(request.url, room.add(socket));
  socket.on("message", (data, isBinary) => {
    for (const client of room) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary });
    }
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    room.delete(socket);
    if (room.size === 0) rooms.delete(request.url);
  });
});

server.on("listening", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});

process.on("SIGTERM", () => process.exit(0));
