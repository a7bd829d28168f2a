/**
 * `npm run league`: every method from the same start, with equal passes of networks and the same small search for a step
 * size: on the ring in the plane, whose exact law is known, or with `--emoji` on the quick start's teacher. It can be
 * stopped anywhere and goes on where it was.
 */
import { runProgram } from "../common/program";
import { world } from "../quickstart/world";
import { runLeague } from "./run";

await runProgram(() => runLeague(world, process.argv.slice(2)));
