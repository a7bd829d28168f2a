import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { SidError } = await import("sid-lsg");
for (const path of process.argv.slice(2)) {
  const name = path.replace(".", "sid-lsg");
  const esm = Object.keys(await import(name)).filter((key) => key !== "default" && key !== "module.exports");
  const cjs = Object.keys(require(name));
  if (esm.sort().join() !== cjs.sort().join()) throw new Error(`${name}: ESM has ${esm}, CJS has ${cjs}`);
  if (esm.length === 0) throw new Error(`${name} exports nothing`);
}
const { sidLoss } = await import("sid-lsg/losses");
let error;
try {
  sidLoss({});
} catch (thrown) {
  error = thrown;
}
if (!(error instanceof SidError)) throw new Error(`two copies of SidError: ${error}`);
