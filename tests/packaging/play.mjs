// Unpacks an archive of Python packages in Pyodide, runs a program there, prints its last value.
import { readFileSync } from "node:fs";
import { loadPyodide } from "../lab/node_modules/pyodide/pyodide.mjs";

const [archive, program] = process.argv.slice(2);
const pyodide = await loadPyodide();
pyodide.unpackArchive(new Uint8Array(readFileSync(archive)), "zip", { extractDir: "/packages" });
pyodide.runPython("import sys; sys.path.insert(0, '/packages')");
try {
  console.log(pyodide.runPython(program));
} catch (error) {
  console.error(error.message); // the rest would be Pyodide's own source
  process.exitCode = 1;
}
