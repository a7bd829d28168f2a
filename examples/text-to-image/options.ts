import { backends, choice, commandLine, fmaOf, integer, number } from "../common/command-line";
import { projectPath, userPath } from "../common/paths";
import { parseRanks, type RankSettings, rankFlags } from "../common/ranks";
import { guidances } from "./distillation";
import type { World } from "./world";

export type GuidanceName = keyof typeof guidances;
const guidanceNames = Object.keys(guidances) as GuidanceName[];

/** What a job was asked to do, all of it checked. */
export interface JobOptions {
  /** Draw this caption with the distilled generator instead of distilling. */
  readonly prompt?: string;
  /** Go on from the last checkpoint. */
  readonly resume: boolean;
  /** Also in another arithmetic than it came in. */
  readonly allowOtherArithmetic: boolean;
  readonly iterations: number;
  readonly seed: number;
  /** Guidance scales κ1 … κ4 in one number. */
  readonly kappa: number;
  readonly guidance: GuidanceName;
  /** The α of the score-identity loss. */
  readonly alpha: number;
  readonly backend: (typeof backends)[number];
  readonly arithmetic: { readonly fma?: false };
  /** The other programs of this run. */
  readonly ranks: RankSettings | undefined;
  /** Folder of everything that the run writes. */
  readonly out: string;
  /** Folder of the teacher. */
  readonly teacher: string;
  /** Captions per group to measure on. */
  readonly captions: number;
}

export function usage({ command, recipe, out, prompts }: World): string {
  return `${command}   distil the teacher, measure, draw pictures
${command} -- --prompt "${prompts[0]}"   draw a caption with the distilled generator
${command} -- --resume   go on with an interrupted run

  --iterations N    training iterations (${recipe.iterations})
  --kappa K         guidance scale, at least 0 (${recipe.kappa})
  --alpha A         of the score-identity loss (${recipe.alpha})
  --guidance NAME   lsg: all networks are guided; teacher: it alone is (lsg)
  --seed N          names the random numbers of the run (0)
  --captions N      captions per group to measure on, at least 100 (${recipe.captions})
  --teacher DIR     a teacher of the same words and pictures instead of the committed one
  --backend NAME    ${backends.join(", ")} (wasm)
  --no-fma          the same bits on every machine: wasm without fused multiply-adds
  --allow-other-arithmetic   resume with fused multiply-adds what came without, or the other way round
  --distributed mpi one run on all ranks that mpirun or srun started; see docs/distributed.md
  --check-ranks N   iterations from one comparison of the ranks' weights to the next (100)
  --rank-timeout S  seconds after which a rank that the others wait for is lost (300)
  --shard-optimizer each rank keeps the optimisers' moments of its part of the weights only
  --gpu-per-rank    each rank of a machine its own GPU, on node-gpu
  --out DIR         where to write (${out})
  --help            this text`;
}

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseOptions(world: World, args: readonly string[]): JobOptions | undefined {
  const values = commandLine(args, {
    prompt: { type: "string" },
    resume: { type: "boolean", default: false },
    iterations: { type: "string" },
    seed: { type: "string" },
    kappa: { type: "string" },
    guidance: { type: "string" },
    alpha: { type: "string" },
    backend: { type: "string" },
    "no-fma": { type: "boolean", default: false },
    "allow-other-arithmetic": { type: "boolean", default: false },
    captions: { type: "string" },
    teacher: { type: "string" },
    out: { type: "string" },
    ...rankFlags,
    help: { type: "boolean", default: false },
  });
  if (values.help) return undefined;
  const { prompt, resume } = values;
  const { recipe } = world;
  const backend = choice("backend", values.backend, "wasm", backends);
  const ranks = parseRanks(values, backend);
  if (prompt !== undefined && ranks) throw new Error("--prompt draws in one program; leave out --distributed.");
  if (ranks && recipe.batch % ranks.size !== 0)
    throw new Error(
      `--distributed: the number of ranks must divide the batch of ${recipe.batch}, got ${ranks.size} ranks.`,
    );
  if (prompt !== undefined && resume) throw new Error("--prompt and --resume do not go together.");
  return {
    ...(prompt === undefined ? {} : { prompt }),
    resume,
    out: values.out === undefined ? projectPath(world.out) : userPath("out", values.out),
    teacher: values.teacher === undefined ? world.teacherFolder : userPath("teacher", values.teacher),
    ...{ backend, ranks },
    arithmetic: fmaOf(values),
    allowOtherArithmetic: values["allow-other-arithmetic"],
    guidance: choice("guidance", values.guidance, "lsg", guidanceNames),
    iterations: integer("iterations", values.iterations, recipe.iterations, 1),
    seed: integer("seed", values.seed, 0, 0),
    captions: integer("captions", values.captions, recipe.captions, 100),
    kappa: number("kappa", values.kappa, recipe.kappa, 0),
    alpha: number("alpha", values.alpha, recipe.alpha),
  };
}
