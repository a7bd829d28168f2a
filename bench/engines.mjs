/**
 * The digits' example, all of it, under this Node and under another one in turn: the processor's time of each, and the
 * ratio of the other's to this one's.
 *
 *     node bench/engines.mjs NODE [TURNS]       NODE is the other's program, e.g. of `npx node@24`
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const [other, turns = "3"] = process.argv.slice(2);
const told =
  "data:text/javascript,process.on('exit',()=>{const{user,system}=process.cpuUsage();process._rawDebug('processor',(user%2Bsystem)/1e6)})";

/** Seconds on the processor. */
function run(node) {
  const out = mkdtempSync(join(tmpdir(), "digits-"));
  const args = ["--import", told, "scripts/run-example.mjs", "digits/main.ts", "--out", join(out, "run")];
  const { status, stderr, error } = spawnSync(node, args, { encoding: "utf8" });
  rmSync(out, { recursive: true });
  const seconds = Number(/processor ([\d.]+)/.exec(stderr ?? "")?.[1]);
  if (status !== 0 || !(seconds > 0)) throw new Error(`${node} ended with ${status}: ${error ?? stderr}`);
  return seconds;
}

const version = (node) => spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.trim();
const pairs = Array.from({ length: Number(turns) }, () => [run(process.execPath), run(other)]);
for (const [a, b] of pairs)
  console.log(
    `Node ${version(process.execPath)} ${a.toFixed(1)} s, Node ${version(other)} ${b.toFixed(1)} s, ${(b / a).toFixed(2)}`,
  );
const ratios = pairs.map(([a, b]) => b / a).sort((a, b) => a - b);
console.log(`the median is ${ratios[ratios.length >> 1].toFixed(2)}`);
