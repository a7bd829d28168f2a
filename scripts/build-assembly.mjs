// Compiles src/backends/wasm/assembly twice: to assembly-binary.ts, and to assembly-binary-fused.ts with relaxed SIMD;
// with --check, only compares.
import { readFile, writeFile } from "node:fs/promises";
import { main } from "assemblyscript/asc";

const folder = "src/backends/wasm";
const options = [
  ...["--runtime", "stub", "--noAssert", "-O3", "--use", "abort="],
  ...["--enable", "simd", "--enable", "bulk-memory", "--enable", "threads"],
  // All memory is the backend's: the module has no data of its own.
  ...["--importMemory", "--noExportMemory", "--memoryBase", "0", "--sharedMemory", "--maximumMemory", "65536"],
];

await build("assembly-binary.ts", "The compiled module", []);
await build("assembly-binary-fused.ts", "The same with multiply-adds that round once", ["--enable", "relaxed-simd"]);

async function build(name, what, more) {
  let binary = new Uint8Array();
  const { error, stderr } = await main([`${folder}/assembly/index.ts`, ...options, ...more, "-o", "kernels.wasm"], {
    readFile: (name, folder) => readFile(`${folder}/${name}`, "utf8").catch(() => null),
    writeFile: (_, content) => {
      binary = content;
    },
  });
  if (error) throw new Error(stderr.toString());

  const memory = Buffer.from("memory");
  const flags = Buffer.from(binary).indexOf(memory) + memory.length + 1;
  const text = `// Made from the folder assembly by \`npm run assembly\`; a test compares.

/** ${what}. */
export const base64 =
  "${Buffer.from(binary).toString("base64")}";

/** The byte that says what memory it imports: ${binary[flags]}, one shared by threads; 1, one of its own. */
export const memoryFlags = ${flags};
`;

  const target = `${folder}/${name}`;
  if (!process.argv.includes("--check")) await writeFile(target, text);
  else if ((await readFile(target, "utf8")) !== text) throw new Error(`${target} is out of date: npm run assembly`);
  console.log(`${target}: ${binary.length} bytes`);
}
