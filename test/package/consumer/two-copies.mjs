// The ES modules and the CommonJS ones in one process, as when a program and a package that it needs load one each.
import { createRequire } from "node:module";
import { inspect } from "node:util";

const require = createRequire(import.meta.url);
const [backend] = process.argv.slice(2);
const printed = [];
for (const method of ["log", "info", "warn", "error"]) console[method] = (...args) => void printed.push(args.join(" "));

const copies = [
  { ...(await import("sid-lsg")), ...(await import("sid-lsg/backends")) },
  { ...require("sid-lsg"), ...require("sid-lsg/backends") },
];
if (copies[0].lsg === copies[1].lsg) throw new Error("not two copies");
for (const { useBackend } of [...copies, ...copies]) await useBackend(backend);
for (const { lsg } of copies) {
  let error;
  try {
    lsg(Number.NaN);
  } catch (thrown) {
    error = thrown;
  }
  for (const { SidError } of copies)
    if (!(error instanceof SidError) || SidError.name !== "SidError") throw new Error("two kinds of SidError");
  for (const text of [inspect(error), error.stack, String(error)])
    if (!text.startsWith("SidError: lsg: kappa")) throw new Error(`it prints as ${text}`);
}
if (printed.length > 0) throw new Error(printed.join("\n"));
process.stdout.write("one\n");
