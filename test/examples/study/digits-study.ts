/** The study of the digits' teacher, which is small, measured on few captions against few real pictures. */
import { runProgram } from "../../../examples/common/program";
import { world } from "../../../examples/digits/world";
import { runStudy } from "../../../examples/study/run";
import { prepareDigits } from "./digits-measuring";

await runProgram(() => runStudy(world, process.argv.slice(2), prepareDigits(24)));
