import { backends, choice, commandLine, integer, number } from "../common/command-line";
import { projectPath, userPath } from "../common/paths";

/** What `npm start` was asked to do, all of it checked. */
export interface QuickStartOptions {
  /** Draw this caption with the distilled generator instead of distilling. */
  readonly prompt?: string;
  /** Go on from the last checkpoint. */
  readonly resume: boolean;
  readonly iterations: number;
  readonly seed: number;
  /** Guidance scales κ1 … κ4 in one number. */
  readonly kappa: number;
  readonly backend: (typeof backends)[number];
  /** Folder of everything that the run writes. */
  readonly out: string;
  /** Captions per group to measure on. */
  readonly captions: number;
}

export const defaults = {
  iterations: 160,
  seed: 0,
  kappa: 1.15,
  backend: "wasm",
  out: "runs/quickstart",
  captions: 512,
} as const;

export const usage = `npm start                            distill the teacher, measure, draw pictures
npm start -- --prompt "a green four"  draw a caption with the distilled generator
npm start -- --resume                 go on with an interrupted run

  --iterations N   training iterations (${defaults.iterations})
  --kappa K        guidance scale, at least 0 (${defaults.kappa})
  --seed N         names the random numbers of the run (${defaults.seed})
  --captions N     captions per group to measure on, at least 100 (${defaults.captions})
  --backend NAME   ${backends.join(", ")} (${defaults.backend})
  --out DIR        where to write (${defaults.out})
  --help           this text`;

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseOptions(args: readonly string[]): QuickStartOptions | undefined {
  const values = commandLine(args, {
    prompt: { type: "string" },
    resume: { type: "boolean", default: false },
    iterations: { type: "string" },
    seed: { type: "string" },
    kappa: { type: "string" },
    backend: { type: "string" },
    captions: { type: "string" },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  });
  if (values.help) return undefined;
  const { prompt, resume } = values;
  const backend = choice("backend", values.backend, defaults.backend, backends);
  if (prompt !== undefined && resume) throw new Error("--prompt and --resume do not go together.");
  return {
    ...(prompt === undefined ? {} : { prompt }),
    resume,
    out: values.out === undefined ? projectPath(defaults.out) : userPath("out", values.out),
    backend,
    iterations: integer("iterations", values.iterations, defaults.iterations, 1),
    seed: integer("seed", values.seed, defaults.seed, 0),
    captions: integer("captions", values.captions, defaults.captions, 100),
    kappa: number("kappa", values.kappa, defaults.kappa, 0),
  };
}
