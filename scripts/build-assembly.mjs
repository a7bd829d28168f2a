// Compiles src/backends/wasm/assembly to src/backends/wasm/assembly-binary.ts; with --check, only compares.
import { readFile, writeFile } from "node:fs/promises";
import { main } from "assemblyscript/asc";

const target = "src/backends/wasm/assembly-binary.ts";
const options = [
  ...["--runtime", "stub", "--noAssert", "-O3", "--use", "abort="],
  ...["--enable", "simd", "--enable", "bulk-memory", "--enable", "threads"],
  // All memory is the backend's: the module has no data of its own.
  ...["--importMemory", "--noExportMemory", "--memoryBase", "0", "--sharedMemory", "--maximumMemory", "65536"],
];

let binary = new Uint8Array();
const { error, stderr } = await main(["src/backends/wasm/assembly/index.ts", ...options, "-o", "kernels.wasm"], {
  readFile: (name, folder) => readFile(`${folder}/${name}`, "utf8").catch(() => null),
  writeFile: (_, content) => {
    binary = content;
  },
});
if (error) throw new Error(stderr.toString());

const name = Buffer.from("memory");
const flags = Buffer.from(binary).indexOf(name) + name.length + 1;
const text = `// Made from the folder assembly by \`npm run assembly\`; a test compares.

/** The compiled module. */
export const base64 =
  "${Buffer.from(binary).toString("base64")}";

/** The byte that says what memory it imports: ${binary[flags]}, one shared by threads; 1, one of its own. */
export const memoryFlags = ${flags};
`;

if (!process.argv.includes("--check")) await writeFile(target, text);
else if ((await readFile(target, "utf8")) !== text) throw new Error(`${target} is out of date: npm run assembly`);
console.log(`${target}: ${binary.length} bytes`);
