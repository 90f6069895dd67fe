// node reconnecting-websocket.mjs URL [OPTIONS as JSON]
import ReconnectingWebSocket from "reconnecting-websocket";
import WebSocket from "ws";

const [url, options = "{}"] = process.argv.slice(2);
const socket = new ReconnectingWebSocket(url, [], { WebSocket, ...JSON.parse(options) });
socket.addEventListener("error", () => {});
