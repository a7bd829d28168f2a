/**
 * `npm run study`: distils the quick start's teacher under many guidances and α, with several seeds each, and measures every
 * generator against real pictures. It can be stopped anywhere and goes on where it was.
 */
import { runProgram } from "../common/program";
import { world } from "../quickstart/world";
import { runStudy } from "./run";

await runProgram(() => runStudy(world, process.argv.slice(2)));
