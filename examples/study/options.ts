import { backends, choice, commandLine, fmaOf, integer } from "../common/command-line";
import { projectPath, userPath } from "../common/paths";
import { parseRanks, type RankSettings, sharingFlags } from "../common/ranks";
import { type ConfigurationName, configurationNames } from "./configurations";

/** What the study was asked to do, all of it checked. */
export interface StudyOptions {
  /** Write the page of what is finished instead of running. */
  readonly report: boolean;
  readonly names: readonly ConfigurationName[];
  readonly seeds: number;
  readonly iterations: number;
  /** Captions per group to measure on. */
  readonly captions: number;
  readonly backend: (typeof backends)[number];
  readonly arithmetic: { readonly fma?: false };
  readonly threads: number | undefined;
  /** The other programs that do these runs, if there are. */
  readonly ranks: RankSettings | undefined;
  /** Folder of the runs. */
  readonly out: string;
}

/** What the committed study was done with. */
export const budget = { seeds: 5, iterations: 300, captions: 2048 } as const;

export function usage(): string {
  return `npm run study   distil the quick start's teacher under ${configurationNames.length} guidances, ${budget.seeds} seeds each; goes on where it was
npm run study -- --report   write docs/study/ from what is finished

  --seeds N         seeds of each (${budget.seeds})
  --only NAMES      some of them, with commas: ${configurationNames.join(", ")}
  --iterations N    training iterations of each run (${budget.iterations})
  --captions N      captions per group to measure on, at least 100 (${budget.captions})
  --backend NAME    ${backends.join(", ")} (wasm)
  --no-fma          the same bits on every machine: wasm without fused multiply-adds
  --threads N       that it computes on
  --out DIR         where the runs are (runs/study)
  --distributed mpi the ranks that mpirun or srun started share the runs; see docs/distributed.md
  --gpu-per-rank    each rank of a machine its own GPU, on node-gpu
  --help            this text`;
}

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseStudyOptions(args: readonly string[]): StudyOptions | undefined {
  const values = commandLine(args, {
    report: { type: "boolean", default: false },
    seeds: { type: "string" },
    only: { type: "string" },
    iterations: { type: "string" },
    captions: { type: "string" },
    backend: { type: "string" },
    "no-fma": { type: "boolean", default: false },
    threads: { type: "string" },
    out: { type: "string" },
    ...sharingFlags,
    help: { type: "boolean", default: false },
  });
  if (values.help) return undefined;
  const names = values.only?.split(",").map((name) => choice("only", name, "none", configurationNames));
  const backend = choice("backend", values.backend, "wasm", backends);
  const ranks = parseRanks(values, backend);
  if (ranks && values.report) throw new Error("--report is one program's work; leave out --distributed.");
  return {
    report: values.report,
    names: names ?? configurationNames,
    seeds: integer("seeds", values.seeds, budget.seeds, 1),
    iterations: integer("iterations", values.iterations, budget.iterations, 1),
    captions: integer("captions", values.captions, budget.captions, 100),
    ...{ backend, ranks },
    arithmetic: fmaOf(values),
    threads: values.threads === undefined ? undefined : integer("threads", values.threads, 1, 1),
    out: values.out === undefined ? projectPath("runs/study") : userPath("out", values.out),
  };
}
