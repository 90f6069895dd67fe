// Python with simlib in it, beside the page: it answers one request after the other.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const indexURL = new URL("./pyodide/", self.location.href).href;
const download = (name) => fetch(name).then((found) => {
  if (!found.ok) throw new Error(`${name}: ${found.status}`);
  return found;
});

// The memory of a Python that has started and imported simlib, which spares most of the start. It is of this very
// Pyodide, and what it is made with is no public part of Pyodide: without it, or if it fails, Python starts by itself.
async function startPython() {
  if (self.DecompressionStream) {
    try {
      const memory = download("./python.snapshot")
        .then((found) => new Response(found.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
      memory.catch(() => {});  // it may fail before Pyodide asks for it
      return await loadPyodide({ indexURL, _loadSnapshot: memory });
    } catch (error) {
      console.info(`Python starts without its snapshot: ${error.message}`);
    }
  }
  return loadPyodide({ indexURL });
}

const started = (async () => {
  const [pyodide, packages] = await Promise.all([
    startPython(),
    download("./packages.zip").then((found) => found.arrayBuffer()),
  ]);
  // Files are no part of the memory.
  pyodide.unpackArchive(new Uint8Array(packages), "zip", { extractDir: "/packages" });
  pyodide.runPython("import importlib, sys; '/packages' in sys.path or sys.path.insert(0, '/packages'); importlib.invalidate_caches()");
  return pyodide;
})();
const answers = {
  presets: (python) => python.pyimport("simlib.site.player").list_presets(),
  answer: (python, request) => python.pyimport("simlib.site.player").answer_request(request),
  cell: (python, request) => python.pyimport("simlib.site.lesson").run_cell(request.source, request.movedTo),
};

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ kind: data.kind, text: answers[data.kind](await started, data.request) });
  } catch (error) {
    self.postMessage({ kind: "broken", text: String(error.message || error).trim().split("\n").pop() });
  }
};
