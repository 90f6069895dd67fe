// Start Python with simlib once, play a storm, and write its memory: a page that loads it need not start Python.
// node snapshot.mjs PYODIDE PACKAGES OUT
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [pyodideFolder, packages, out] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${pyodideFolder}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: `${pyodideFolder}/`, _makeSnapshot: true });
pyodide.unpackArchive(new Uint8Array(readFileSync(packages)), "zip", { extractDir: "/packages" });
// What is imported when it is first needed is needed by the first answer.
pyodide.runPython(`
import gc, importlib, sys
sys.path.insert(0, "/packages")
from simlib.site.player import answer_request, list_presets
answer_request("{}")
list_presets()
# Files that are open here are not in the page. importlib keeps Python's own archive open.
importlib.invalidate_caches()
gc.collect()
`);
writeFileSync(out, pyodide.makeMemorySnapshot());
