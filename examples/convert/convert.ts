/** `npm run convert -- weights.pth weights.safetensors`: PyTorch's files as safetensors, nothing of them executed. */
import { readPth, writeSafetensors } from "sid-lsg/io";
import { commandLine } from "../common/command-line";
import { shown, userPath } from "../common/paths";
import { runProgram } from "../common/program";

const usage = `npm run convert -- FILE [OUT.safetensors] [--key NAME]

  FILE        what torch.save wrote: .pth, .pt, .bin or .ckpt
  OUT         the new file (FILE's name with the ending .safetensors)
  --key NAME  the dictionary in it that holds the tensors, such as ema (state_dict, or the only one)
  --help      this text`;

await runProgram(async () => {
  const args = process.argv.slice(2);
  const { files, options } = split(args);
  const { key, help } = commandLine(options, { key: { type: "string" }, help: { type: "boolean", default: false } });
  if (help) return console.log(usage);
  const [file, out] = files;
  if (file === undefined || files.length > 2) throw new Error(`Wanted one file and a name for the new one.\n${usage}`);
  const from = userPath("FILE", file);
  const to = out === undefined ? from.replace(/(\.\w+)?$/, ".safetensors") : userPath("OUT", out);
  if (!to.endsWith(".safetensors")) throw new Error(`OUT must end in .safetensors, got ${shown(to)}.`);
  if (to === from) throw new Error(`${shown(from)} would be its own copy.`);
  const tensors = await readPth(from, { key });
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
