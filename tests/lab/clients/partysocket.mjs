// node partysocket.mjs URL [OPTIONS as JSON]
import { WebSocket as PartySocket } from "partysocket";
import WebSocket from "ws";

const [url, options = "{}"] = process.argv.slice(2);
const socket = new PartySocket(url, [], { WebSocket, ...JSON.parse(options) });
socket.addEventListener("error", () => {});
