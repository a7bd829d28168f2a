// Runs the bundled snippets of a list, one after the other in this process; scripts/snippets.ts starts it.
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import "@tensorflow/tfjs-backend-cpu";
import { disposeVariables, setBackend } from "@tensorflow/tfjs-core";

/** The numbers in a text, without those of names, types and array lengths. */
function numbers(text) {
  const bare = text.replace(/\w+\(\d+\)|\w*[a-z]\w*/gi, "").replaceAll("−", "-");
  return (bare.match(/-?\d[\d_]*(\.\d+)?/g) ?? []).map((number) => number.replaceAll("_", ""));
}

/** Whether every number that was printed is claimed, in order and to the digits of the claim. */
function holds(claim, text) {
  const claimed = numbers(claim);
  return numbers(text).every((number) => {
    for (let next = claimed.shift(); next !== undefined; next = claimed.shift()) {
      const digits = (next.split(".")[1] ?? "").length;
      if (Math.abs(number - next) <= (digits > 0 ? 0.51 * 10 ** -digits : 1e-5)) return true;
    }
    return false;
  });
}

let current = "";
const fail = (error) => {
  console.error(`failed: ${current}\n${error?.stack ?? error}\n`);
  process.exitCode = 1;
};
process.on("unhandledRejection", fail);
let printed = [];
console.log = (...values) => printed.push(values.map((value) => inspect(value)).join(" "));
console.info = console.warn = () => {};

for (const { at, file, claims } of JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"))) {
  current = at;
  printed = [];
  await setBackend("cpu");
  const start = performance.now();
  await import(file).catch(fail);
  const seconds = (performance.now() - start) / 1000;
  if (seconds > 5) console.error(`slow: ${at} takes ${seconds.toFixed(1)} s`);
  // A log in a loop prints more often than it is written: nothing to compare then.
  if (printed.length === claims.length)
    for (const [i, claim] of claims.entries())
      if (claim !== null && !holds(claim, printed[i])) fail(`claimed ${claim}, printed ${printed[i]}`);
  disposeVariables();
}
process.exit();
