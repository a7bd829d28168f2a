/** `npm run sd:distill`: distills a Stable Diffusion into a generator of one step. See docs/stable-diffusion.md. */
import { runProgram } from "../common/program";
import { parseDistillOptions, usage } from "./options";
import { runDistillation } from "./run";

await runProgram(async () => {
  const settings = parseDistillOptions(process.argv.slice(2));
  if (settings) await runDistillation(settings);
  else console.log(usage);
});
