/**
 * `npm run -s replay -- DIR [--backend NAME]`: replays a recorded run of the official PyTorch
 * training loop through the built package and prints one JSON object. Exits with 0 on a pass, with
 * 1 when a figure is over its limit, with 2 when the case cannot be replayed.
 */
import { main } from "./replay/main";

const { exitCode, stdout, stderr } = await main(process.argv.slice(2));
if (stdout) console.log(stdout);
if (stderr) console.error(stderr);
process.exitCode = exitCode;
