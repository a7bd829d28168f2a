/**
 * Runs a command and keeps what it prints in bench/results/, where marks in the documents find their numbers. Nothing is
 * kept of a command that fails.
 *
 *     node bench/record.mjs gauge npm run -s bench:gauge -- 300       bench/results/gauge.txt
 */
import { spawn } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { basename, isAbsolute } from "node:path";

const [name, ...command] = process.argv.slice(2);
const child = spawn(command[0], command.slice(1), { stdio: ["ignore", "pipe", "inherit"] });
let output = "";
child.stdout.setEncoding("utf8");
child.stdout.on("data", (text) => {
  output += text;
  process.stdout.write(text);
});
child.on("close", (status) => {
  process.exitCode = status ?? 1;
  if (status !== 0) return;
  const settings = ["NODE_OPTIONS", "TF_NUM_INTRAOP_THREADS"].filter((variable) => process.env[variable]);
  const set = settings.map((variable) => `${variable}="${process.env[variable]}" `).join("");
  const processors = cpus();
  // Where something lies on this machine is nobody's business.
  const shown = command.map((word) => (isAbsolute(word) ? basename(word) : word)).join(" ");
  const head = `$ ${set}${shown}\nNode ${process.version}, ${processors.length} × ${processors[0]?.model.trim()}\n`;
  const file = new URL(`results/${name}.txt`, import.meta.url);
  const temporary = new URL(`results/${name}.txt.tmp`, import.meta.url);
  writeFileSync(temporary, `${head}\n${output.trim()}\n`);
  renameSync(temporary, file);
});
