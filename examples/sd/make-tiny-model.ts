/** `npm run sd:tiny-model -- --out DIR`: a diffusers folder with random weights, to try the other scripts on. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { useBackend } from "sid-lsg/backends";
import { integer, runProgram } from "../common/command-line";
import { writeTinyModel } from "./tiny-model";

const usage = `npm run sd:tiny-model -- [--out DIR] [--seed N]

  --out DIR   a new or empty folder (runs/tiny-model)
  --seed N    names the random weights (0)
  --help      this text`;

await runProgram(async () => {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: join("runs", "tiny-model") },
      seed: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(usage);
  const seed = integer("seed", values.seed, 0, 0);
  if (filesIn(values.out).length > 0) throw new Error(`--out must be an empty folder, but ${values.out} is not.`);
  await useBackend("cpu");
  await writeTinyModel(values.out, seed);
  console.log(`A model with random weights is in ${values.out}.`);
});

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
