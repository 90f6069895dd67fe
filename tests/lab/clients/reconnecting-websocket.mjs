// node reconnecting-websocket.mjs URL [OPTIONS as JSON]
import ReconnectingWebSocket from "reconnecting-websocket";
import WebSocket from "ws";

const [url, options = "{}"] = process.argv.slice(2);
const socket = new ReconnectingWebSocket(url, [], { WebSocket, ...JSON.parse(options) });
socket.addEventListener("error", () => {});
// It closes an attempt that takes too long without listening to what ws, unlike a browser, throws.
process.on("uncaughtException", (error) => {
  if (!/before the connection was established/.test(error.message)) throw error;
});
