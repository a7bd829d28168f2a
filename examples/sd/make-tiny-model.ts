/** `npm run sd:tiny-model -- --out DIR`: a folder with random weights, to try the other scripts on. */
import { readdirSync } from "node:fs";
import { useBackend } from "sid-lsg/backends";
import { commandLine, integer } from "../common/command-line";
import { makeFolder } from "../common/folders";
import { lockFile, lockFolder } from "../common/lock";
import { projectPath, shown, userPath } from "../common/paths";
import { runProgram } from "../common/program";
import { writeTinyClip } from "./tiny-clip";
import { writeTinyModel } from "./tiny-model";

const usage = `npm run sd:tiny-model -- [--clip] [--out DIR] [--seed N]

  --clip      a CLIP, which scores pictures, instead of a Stable Diffusion
  --out DIR   a new or empty folder (runs/tiny-model, or runs/tiny-clip)
  --seed N    names the random weights (0)
  --help      this text`;

await runProgram(async () => {
  const values = commandLine(process.argv.slice(2), {
    clip: { type: "boolean", default: false },
    out: { type: "string" },
    seed: { type: "string" },
    help: { type: "boolean", default: false },
  });
  if (values.help) return console.log(usage);
  const seed = integer("seed", values.seed, 0, 0);
  const out =
    values.out === undefined
      ? projectPath(values.clip ? "runs/tiny-clip" : "runs/tiny-model")
      : userPath("out", values.out);
  makeFolder(out);
  lockFolder("out", out);
  if (readdirSync(out).some((name) => name !== lockFile))
    throw new Error(`--out must be an empty folder, but ${shown(out)} is not.`);
  await useBackend("cpu");
  await (values.clip ? writeTinyClip : writeTinyModel)(out, seed);
  console.log(`A model with random weights is in ${shown(out)}.`);
});
