/**
 * The laboratory without its page: the run of a state, with the numbers that the page shows.
 *
 *     npm run laboratory                                      the first state
 *     npm run laboratory -- 'v=1&law=moons&a=sid_alpha_1'     that of a link
 *     npm run laboratory -- state.txt                         that of a file with a link in it
 *     npm run laboratory -- --experiment collapse             a prepared one
 *     npm run laboratory -- 'v=1' --snippet                   a program that does the same without the laboratory
 */
import { existsSync, readFileSync } from "node:fs";
import { useBackend } from "sid-lsg/backends";
import { backends, choice, commandLine } from "../common/command-line";
import { divergenceText } from "../common/divergence";
import { userPath } from "../common/paths";
import { runProgram } from "../common/program";
import { startProgress } from "../common/progress";
import { planeMethods } from "../plane/methods";
import { type ExperimentName, experiments } from "./experiments";
import { fromLink, toLink } from "./link";
import { runState } from "./run";
import { toSnippet } from "./snippet";
import { defaultState, type LabState } from "./state";

await runProgram(async () => {
  const args = process.argv.slice(2);
  const [first] = args;
  const named = first !== undefined && !first.startsWith("-");
  const values = commandLine(named ? args.slice(1) : args, {
    backend: { type: "string" },
    experiment: { type: "string" },
    snippet: { type: "boolean" },
  });
  const backend = choice("backend", values.backend, "wasm", backends);
  const experiment =
    values.experiment === undefined
      ? undefined
      : experiments[choice("experiment", values.experiment, "collapse", Object.keys(experiments) as ExperimentName[])];
  if (named && experiment) throw new Error("Give a link or --experiment, not both.");
  const state: LabState = named ? fromLink(linkOf(first)) : (experiment?.state ?? defaultState);
  if (values.snippet) return console.log(toSnippet(state));
  if (experiment) console.log(`${experiment.title}. ${experiment.text}`);
  await useBackend(backend);
  const pretraining = startProgress("pretraining", state.pretraining);
  const training = startProgress("training", state.iterations);
  const results = await runState(state, {
    onPretraining: (done) => pretraining.update(done),
    onIteration([contender]) {
      const { iteration = 0, divergence } = contender?.metrics ?? {};
      training.update(iteration, { KL: divergence ? `${divergenceText(divergence)}` : undefined });
    },
  });
  training.finish();
  console.log(toLink(state));
  for (const { method, measured, divergence } of results) {
    const { kl, spread, covered, stray, clipped } = measured;
    console.log(
      `${planeMethods[method as keyof typeof planeMethods].title}: KL ${kl.toFixed(3)} nats${divergence ? `, gauge ${divergenceText(divergence)}, lag ${divergence.lag.value.toFixed(3)}` : ""}; ` +
        `spread ${spread.toFixed(2)} of the law's, ${covered} Gaussians reached, ${(100 * stray).toFixed(1)} % astray${clipped < 0.001 ? "" : `, and ${(100 * clipped).toFixed(1)} % so far away that the KL is larger than that`}`,
    );
  }
});

/** What comes behind the # of a link, of the command line or of a file. */
function linkOf(text: string): string {
  const isLink = /(^|[#?&])v=/.test(text);
  const path = isLink ? undefined : userPath("state", text);
  if (path !== undefined && !existsSync(path)) throw new Error(`"${text}" is neither a link (v=1&…) nor a file.`);
  return (path === undefined ? text : readFileSync(path, "utf8")).trim().replace(/^.*#/, "");
}
