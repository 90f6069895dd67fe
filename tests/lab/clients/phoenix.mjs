// node phoenix.mjs URL [OPTIONS as JSON]; the greeting is phoenix
import { Socket } from "phoenix";
import WebSocket from "ws";

const [url, options = "{}"] = process.argv.slice(2);
new Socket(url, { transport: WebSocket, ...JSON.parse(options) }).connect();
