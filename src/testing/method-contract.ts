import { memory } from "@tensorflow/tfjs-core";
import { checkArray, checkBoolean, checkFunction, checkObject, checkText } from "../core/checks";
import { randomStream } from "../core/random";
import { checkMethod, isDataUpdate } from "../methods/check-method";
import type { Method } from "../methods/types";
import { noiseLevel } from "../predict/level";
import { type ContractCase, fail, leaves, same } from "./contract-case";
import { cotangentsCases, laterCases } from "./cotangents-cases";
import { dataCases } from "./data-cases";
import { discriminatorCases } from "./discriminator-cases";
import { lawsOf, momentOn, stagesOf } from "./inputs";
import { trainingCases } from "./training-cases";

/** What cannot be seen of a method from outside. */
export interface MethodContractOptions {
  /**
   * The tensors in which the loss has the cotangent for its slope: `generated`, and names of answers. What a weight
   * holds constant does not belong here; the loss of a stopped gradient is no objective, so none of its tensors does.
   * @defaultValue none
   */
  readonly slopes?: readonly string[] | undefined;
  /**
   * Whether a sample's weight depends on the others of its batch, as f-distill's mean ratio does. Then the order of the
   * samples is all that may not matter.
   * @defaultValue `false`
   */
  readonly mixesSamples?: boolean | undefined;
}

/**
 * What every method must do: a list of cases for any test runner. The networks are small ones of the suite's own, on
 * DDPM's timesteps, EDM's σ and the times of rectified flow, as far as the method has laws of t for them.
 *
 * - It is well-formed; its settings are plain data that JSON keeps, equal in an object made alike; it owns no tensor.
 * - Its laws draw times of the schedule, as many as asked, from the stream alone.
 * - `cotangents` is pure, borrows its inputs, leaves what it returns and nothing else; its gradients are finite and have
 *   the shapes of the answers; samples with `valid` 0 reach neither loss nor gradients, not even as NaN; loss and
 *   gradients are means over the batch; where the loss is an objective, they are its slopes.
 * - The loss of its discriminator does the same, and so does the loss on images of a method like LCM.
 * - Staged and joint backward agree; a question with `gradient: true` has a cotangent, and no other network is passed
 *   backward.
 * - `distill` runs, is the same for the same seed, changes the generator and leaves no tensor.
 *
 * A backend must have been started by the time the cases run, and no other network may be called `method-contract/…`.
 *
 * @param make - makes the method, the same at each call.
 * @param options - what cannot be seen from outside.
 * @returns the cases; `run` rejects with a SidError that says what was wanted and what came.
 * @throws SidError `invalid-argument` for options that are none.
 *
 * @example
 * ```ts
 * import { sid } from "sid-lsg";
 * import { methodContract } from "sid-lsg/testing";
 *
 * // With a test runner: for (const { name, run } of cases) test(name, run);
 * const cases = methodContract(() => sid({ weight: "none" }), { slopes: ["generated", "teacher", "fake"] });
 * for (const { run } of cases) await run();
 * console.log(cases[0]?.name); // it is well-formed
 * ```
 */
export function methodContract(make: () => Method, options: MethodContractOptions = {}): ContractCase[] {
  const where = "methodContract";
  checkFunction(where, "make", make);
  const { slopes = [], mixesSamples = false } = checkObject(where, "options", options, { slopes: 1, mixesSamples: 1 });
  for (const [i, name] of checkArray(where, "slopes", slopes).entries()) checkText(where, `slopes[${i}]`, name);
  checkBoolean(where, "mixesSamples", mixesSamples);
  const method = make();
  return [
    { name: "it is well-formed", run: async () => void checkMethod(where, make()) },
    { name: "its settings are plain data, equal in one made alike, and it owns no tensor", run: () => settings(make) },
    { name: "its laws draw times of the schedule, as many as asked, from the stream alone", run: () => laws(make()) },
    ...(isDataUpdate(method.generator) ? [] : cotangentsCases(make, { slopes, mixesSamples })),
    ...laterCases(make),
    ...dataCases(make),
    ...discriminatorCases(make),
    ...trainingCases(make),
  ];
}

async function settings(make: () => Method): Promise<void> {
  const [one, other] = leaves(
    "making two methods",
    () => 0,
    () => [make(), make()] as const,
  );
  const text = JSON.stringify(one.settings);
  const lost = Object.entries(one.settings).find(
    ([name, value]) => !isPlain(value, (JSON.parse(text) as Record<string, unknown>)[name]),
  );
  if (lost)
    fail(`settings.${lost[0]} must be plain data that JSON keeps, got ${typeof lost[1]} ${JSON.stringify(lost[1])}.`);
  if (JSON.stringify(other.settings) !== text)
    fail(`the settings of a method made alike must be ${text}, got ${JSON.stringify(other.settings)}.`);
}

/** Whether a value came back from JSON as it was. */
function isPlain(value: unknown, back: unknown): boolean {
  if (typeof value !== "object" || value === null) return Object.is(value, back);
  if (typeof back !== "object" || back === null) return false;
  const [mine, theirs] = [Object.entries(value), back as Readonly<Record<string, unknown>>];
  return mine.length === Object.keys(back).length && mine.every(([name, one]) => isPlain(one, theirs[name]));
}

async function laws(method: Method): Promise<void> {
  const before = memory().numTensors;
  for (const stage of stagesOf(method))
    for (const [name, law] of Object.entries(lawsOf(method)))
      for (const count of [1, 2, 256]) {
        const draw = () => law(randomStream(3), count, momentOn(stage));
        const where = `${name}, asked for ${count} on a "${stage.schedule.kind}" schedule,`;
        const times = draw();
        if (!Array.isArray(times) || times.length !== count)
          fail(`${where} must give an array of as many numbers, got ${JSON.stringify(times)}.`);
        // Throws for a time outside, or between timesteps.
        noiseLevel(stage.schedule, times);
        same(`${where} from the same place of the stream`, { times: draw() }, { times });
      }
  if (memory().numTensors !== before) fail(`the laws of t left ${memory().numTensors - before} tensors.`);
}
