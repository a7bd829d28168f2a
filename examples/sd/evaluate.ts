/** `npm run sd:evaluate`: FID, KID, precision and recall, CLIP score of a generator's pictures, or of a folder's. */
import { runProgram } from "../common/program";
import { parseEvaluateOptions, usage } from "./evaluate/options";
import { evaluate } from "./evaluate/run";

await runProgram(async () => {
  const settings = parseEvaluateOptions(process.argv.slice(2));
  if (settings) await evaluate(settings);
  else console.log(usage);
});
