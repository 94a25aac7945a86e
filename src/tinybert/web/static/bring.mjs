// Run by `npm install`: keeps what the page needs of the installed packages, and their licences, in runtime/.
import { cpSync, mkdirSync, rmSync } from "node:fs";

const NEEDED = {
  "onnxruntime-web/dist": ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"],
  "@huggingface/tokenizers/dist": ["tokenizers.min.mjs"],
};

process.chdir(import.meta.dirname);
mkdirSync("runtime", { recursive: true });
for (const [folder, names] of Object.entries(NEEDED))
  for (const name of names) cpSync(`node_modules/${folder}/${name}`, `runtime/${name}`);
cpSync("node_modules/@huggingface/tokenizers/LICENSE", "licences/tokenizers.txt");
rmSync("node_modules", { recursive: true });
console.log("The runtime is here: python -m http.server 8000, then open http://localhost:8000");
