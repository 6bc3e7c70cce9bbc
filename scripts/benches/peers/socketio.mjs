// A broadcast by Socket.IO: what a client emits as "publish" goes to all clients as "message".
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();

const io = new Server(http, {
  serveClient: false,
  transports: ["websocket"],
  perMessageDeflate: false,
  // The generator answers no heartbeats of Engine.IO, and no run lasts so long.
  pingInterval: 300_000,
});

io.on("connection", (socket) => {
  socket.on("publish", (data) => io.emit("message", data));
});

http.listen(0, "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${http.address().port}`);
});

process.on("SIGTERM", () => process.exit(0));
