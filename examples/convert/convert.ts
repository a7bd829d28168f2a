/** `npm run convert -- weights.pth weights.safetensors`: PyTorch's files as safetensors, nothing of them executed. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { readPth, writeSafetensors } from "sid-lsg/io";
import { commandLine } from "../common/command-line";
import { shown, userPath } from "../common/paths";
import { runProgram } from "../common/program";

const usage = `npm run convert -- FILE [OUT.safetensors] [--key NAME] [--force]

  FILE        what torch.save wrote: .pth, .pt, .bin or .ckpt
  OUT         the new file (FILE's name with the ending .safetensors)
  --key NAME  the dictionary in it that holds the tensors, such as ema (state_dict, or the only one)
  --force     replace OUT where it is there
  --help      this text`;

await runProgram(async () => {
  const args = process.argv.slice(2);
  const { files, options } = split(args);
  const flag = { type: "boolean", default: false } as const;
  const { key, force, help } = commandLine(options, { key: { type: "string" }, force: flag, help: flag });
  if (help) return console.log(usage);
  const [file, out] = files;
  if (file === undefined || files.length > 2) throw new Error(`Wanted one file and a name for the new one.\n${usage}`);
  const from = userPath("FILE", file);
  const to = out === undefined ? from.replace(/(\.\w+)?$/, ".safetensors") : userPath("OUT", out);
  if (!to.endsWith(".safetensors")) throw new Error(`OUT must end in .safetensors, got ${shown(to)}.`);
  if (to === from) throw new Error(`${shown(from)} would be its own copy.`);
  if (!existsSync(dirname(to))) throw new Error(`OUT: the folder ${shown(dirname(to))} is not there.`);
  if (existsSync(to) && !force)
    throw new Error(`${shown(to)} is there already; replace it with --force, or name another OUT.`);
  const tensors = await readPth(from, { key }).catch((cause: Error) => {
    const like = /sets of tensors, "([^"]+)"/.exec(cause.message)?.[1] ?? "NAME";
    throw new Error(cause.message.replace("by the option key", `such as --key ${like}`), { cause });
  });
  await writeSafetensors(to, tensors, { format: "pt" });
  const elements = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  console.log(`${tensors.size} tensors of ${elements} numbers are in ${shown(to)}.`);
});

/** The files of a command line, and what is left of it; `--key` takes the word after it. */
function split(args: readonly string[]) {
  const isOption = (arg: string | undefined, before: string | undefined) => arg?.startsWith("-") || before === "--key";
  return {
    files: args.filter((arg, i) => !isOption(arg, args[i - 1])),
    options: args.filter((arg, i) => isOption(arg, args[i - 1])),
  };
}
