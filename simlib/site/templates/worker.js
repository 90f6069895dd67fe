// Python with simlib in it, beside the page: it answers one request after the other.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const started = (async () => {
  const [pyodide, packages] = await Promise.all([
    loadPyodide({ indexURL: new URL("./pyodide/", self.location.href).href }),
    fetch("./packages.zip").then((found) => found.arrayBuffer()),
  ]);
  pyodide.unpackArchive(new Uint8Array(packages), "zip", { extractDir: "/packages" });
  pyodide.runPython("import sys; sys.path.insert(0, '/packages')");
  return pyodide.pyimport("simlib.site.player");
})();

self.onmessage = async ({ data }) => {
  try {
    const player = await started;
    self.postMessage({ kind: data.kind, text: data.kind === "presets" ? player.list_presets() : player.answer_request(data.request) });
  } catch (error) {
    self.postMessage({ kind: "broken", text: String(error.message || error).trim().split("\n").pop() });
  }
};
