// node virtual_time.mjs CLIENT TEXT ATTEMPTS CONNECTIONS
// Plays a client with the options that a text declares, against a server that refuses every
// attempt, on a clock that jumps from timer to timer. Prints the waits of each connection, in ms.
const [client, text, attempts, connections] = process.argv.slice(2);

const real = { setImmediate };
let now = 1_000_000;
let number = 0;
const timers = new Map();
const set = (callback, delay = 0, ...args) => {
  number += 1;
  timers.set(number, { due: now + Math.max(0, Number(delay) || 0), callback: () => callback(...args) });
  return number;
};
globalThis.setTimeout = set;
globalThis.clearTimeout = (timer) => timers.delete(timer);
globalThis.setInterval = set;
globalThis.clearInterval = globalThis.clearTimeout;
Date.now = () => now;

let begun = [];
let ended = [];
class Refusing extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  constructor(url) {
    super();
    Object.assign(this, { url, readyState: 0, CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 });
    begun.push(now);
    real.setImmediate(() => this.#refuse());
  }
  #refuse() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    ended.push(now);
    this.#tell("error", {});
    this.#tell("close", { code: 1006, reason: "", wasClean: false });
  }
  #tell(type, more) {
    const event = Object.assign(new Event(type), more);
    this.dispatchEvent(event);
    this[`on${type}`]?.(event);
  }
  send() {}
  close() { this.readyState = 3; }
}
globalThis.WebSocket = Refusing;

const start = {
  "reconnecting-websocket": async (options) => {
    const { default: Client } = await import("reconnecting-websocket");
    new Client("ws://x", [], { WebSocket: Refusing, ...options }).addEventListener("error", () => {});
  },
  partysocket: async (options) => {
    const { WebSocket: Client } = await import("partysocket");
    new Client("ws://x", [], { WebSocket: Refusing, ...options }).addEventListener("error", () => {});
  },
  "socket.io-client": async (options) => {
    const { io } = await import("socket.io-client");
    const { WebSocket: Transport } = await import("engine.io-client");
    io("http://x", { forceNew: true, transports: [Transport], ...options });
  },
  phoenix: async (options) => {
    const { Socket } = await import("phoenix");
    new Socket("ws://x", { transport: Refusing, ...options }).connect();
  },
}[client];

const settle = async () => {
  for (let i = 0; i < 20; i += 1) await new Promise((done) => real.setImmediate(done));
};
const waits = [];
for (let i = 0; i < Number(connections); i += 1) {
  timers.clear();
  [begun, ended] = [[], []];
  // The text is run anew for each connection, as each page does that loads it.
  await start(new Function(`${text}; return options;`)());
  await settle();
  while (begun.length <= Number(attempts) && timers.size > 0) {
    const [first] = [...timers].sort((a, b) => a[1].due - b[1].due);
    timers.delete(first[0]);
    now = Math.max(now, first[1].due);
    first[1].callback();
    await settle();
  }
  waits.push(begun.slice(1).map((at, n) => at - ended[n]));
}
console.log(JSON.stringify(waits));
process.exit(0);
