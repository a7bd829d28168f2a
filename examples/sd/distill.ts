/** `npm run sd:distill`: distills a Stable Diffusion into a generator of a few steps. See docs/stable-diffusion.md. */
import { runProgram } from "../common/program";
import { helpWanted, parseDistillOptions } from "./options";
import { runDistillation } from "./run";
import { usageOf } from "./usage";

await runProgram(async () => {
  const args = process.argv.slice(2);
  const method = helpWanted(args);
  if (method === undefined) await runDistillation(parseDistillOptions(args));
  else console.log(usageOf(method));
});
