// node socket.io-client.mjs URL [OPTIONS as JSON]; the greeting is engine.io
import { io } from "socket.io-client";

const [url, options = "{}"] = process.argv.slice(2);
const { origin } = new URL(url);
io(origin, { transports: ["websocket"], ...JSON.parse(options) });
