/** What the reader asks for. */
import { emoji } from "../../quickstart/emoji";
import { type BackendChoice, backendChoices } from "../protocol";
import type { RunRecord, Settings } from "./record";
import { inIterations } from "./words";

/** What is asked where the page does not say: `npm start`'s. */
const defaults: Settings = {
  iterations: emoji.recipe.iterations,
  seed: 0,
  captions: emoji.recipe.captions,
  saveEvery: 25,
  lookEvery: 20,
};

export interface Asked {
  readonly settings: Settings;
  readonly backend: BackendChoice;
  /** What of it is not to be had, and what is taken instead; empty where all is well. */
  readonly wrong: string;
}

/** What the address of the page asks for: `?backend=wasm&iterations=20&captions=100&save=5&look=5`. */
export function askedFor(search: string): Asked {
  const asked = new URLSearchParams(search);
  const wrong: string[] = [];
  const count = (name: string, fallback: number, least = 1) => {
    const text = asked.get(name);
    if (text === null) return fallback;
    const value = Number(text);
    if (text.trim() !== "" && Number.isSafeInteger(value) && value >= least) return value;
    wrong.push(`“${name}” must be a whole number of at least ${least}, so that ${fallback} is taken`);
    return fallback;
  };
  const named = asked.get("backend");
  const backend = backendChoices.find((name) => name === named);
  if (named !== null && backend === undefined)
    wrong.push(`“backend” must be one of ${backendChoices.join(", ")}, so that auto is taken`);
  const settings = {
    iterations: count("iterations", defaults.iterations),
    seed: count("seed", defaults.seed, 0),
    captions: count("captions", defaults.captions),
    saveEvery: count("save", defaults.saveEvery),
    lookEvery: count("look", defaults.lookEvery),
  };
  const words = `In the address of this page ${wrong.join("; ")}.`;
  return { settings, backend: backend ?? "auto", wrong: wrong.length === 0 ? "" : words };
}

/** Why training cannot begin, in words. */
export function whyNot({ iterations, seed }: Settings, record: RunRecord | undefined): string | undefined {
  if (!Number.isInteger(iterations) || iterations < 1) return `Iterations must be a whole number of at least 1.`;
  if (!Number.isSafeInteger(seed) || seed < 0) return "The seed must be a whole number of at least 0.";
  if (record && iterations <= record.saved)
    return `${inIterations(record.saved)} are done already: ask for more, or delete the run to begin anew.`;
  return undefined;
}
