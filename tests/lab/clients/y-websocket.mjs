// node y-websocket.mjs URL [OPTIONS as JSON]; the greeting is echo: then its document is in step
import WebSocket from "ws";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

const [url, options = "{}"] = process.argv.slice(2);
const given = { WebSocketPolyfill: WebSocket, disableBc: true, ...JSON.parse(options) };
new WebsocketProvider(url, "", new Y.Doc(), given);
