/** `npm run sd:generate`: draws prompts in one step with a distilled generator, or with DDIM from a teacher. */
import { runProgram } from "../common/program";
import { drawPictures } from "./draw-pictures";
import { parseGenerateOptions, usage } from "./generate-options";

await runProgram(async () => {
  const settings = parseGenerateOptions(process.argv.slice(2));
  if (settings) await drawPictures(settings);
  else console.log(usage);
});
