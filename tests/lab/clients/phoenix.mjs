// node phoenix.mjs URL [OPTIONS as JSON]; the greeting is phoenix
// Its waits are a function; here stepsMs, a list, stands for it.
import { Socket } from "phoenix";
import WebSocket from "ws";

const [url, options = "{}"] = process.argv.slice(2);
const { stepsMs, ...others } = JSON.parse(options);
const waits = stepsMs && { reconnectAfterMs: (tries) => stepsMs[tries - 1] ?? stepsMs.at(-1) };
new Socket(url, { transport: WebSocket, ...waits, ...others }).connect();
