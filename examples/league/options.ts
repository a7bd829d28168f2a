import { backends, choice, commandLine, fmaOf, integer } from "../common/command-line";
import { projectPath, userPath } from "../common/paths";
import { parseRanks, type RankSettings, sharingFlags } from "../common/ranks";
import { type PlaneMethodName, planeMethods } from "../plane/methods";

/** All methods, in the order of the tables. */
export const methodNames = Object.keys(planeMethods) as PlaneMethodName[];

/** What the league was asked to do, all of it checked. */
export interface LeagueOptions {
  /** On the quick start's teacher instead of the ring in the plane. */
  readonly emoji: boolean;
  /** Write the page of what is finished instead of running. */
  readonly report: boolean;
  readonly names: readonly PlaneMethodName[];
  readonly seeds: number;
  readonly passes: number;
  /** Of the plane. */
  readonly points: number;
  /** Of emoji: captions per group to measure on. */
  readonly captions: number;
  readonly backend: (typeof backends)[number];
  readonly arithmetic: { readonly fma?: false };
  /** Of emoji; the plane computes on one. */
  readonly threads: number | undefined;
  /** The other programs that do these runs, if there are. */
  readonly ranks: RankSettings | undefined;
  /** Folder of the runs. */
  readonly out: string;
}

/** What the committed leagues were done with. */
export const budgets = {
  plane: { passes: 5400, out: "runs/league" },
  emoji: { passes: 2400, out: "runs/league-emoji" },
} as const;
const shared = { seeds: 5, points: 131_072, captions: 2048 } as const;

export function usage(): string {
  const { plane, emoji } = budgets;
  return `npm run league   distil the ring in the plane by all ${methodNames.length} methods, ${shared.seeds} seeds each; goes on where it was
npm run league -- --emoji    distil the quick start's teacher instead
npm run league -- --report   write docs/league/ from what is finished, with --emoji its emoji.md

  --seeds N         seeds of each (${shared.seeds})
  --only NAMES      some of them, with commas: ${methodNames.join(", ")}
  --passes N        of networks, forwards and backwards, per run and sample of the batch (${plane.passes}; emoji ${emoji.passes})
  --points N        that a law is read from (${shared.points}); plane
  --captions N      captions per group to measure on, at least 100 (${shared.captions}); emoji
  --backend NAME    ${backends.join(", ")} (wasm)
  --no-fma          the same bits on every machine: wasm without fused multiply-adds
  --threads N       that it computes on; emoji, the plane has one
  --out DIR         where the runs are (${plane.out}; emoji ${emoji.out})
  --distributed mpi the ranks that mpirun or srun started share the runs; see docs/distributed.md
  --gpu-per-rank    each rank of a machine its own GPU, on node-gpu
  --help            this text`;
}

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseLeagueOptions(args: readonly string[]): LeagueOptions | undefined {
  const values = commandLine(args, {
    emoji: { type: "boolean", default: false },
    report: { type: "boolean", default: false },
    seeds: { type: "string" },
    only: { type: "string" },
    passes: { type: "string" },
    points: { type: "string" },
    captions: { type: "string" },
    backend: { type: "string" },
    "no-fma": { type: "boolean", default: false },
    threads: { type: "string" },
    out: { type: "string" },
    ...sharingFlags,
    help: { type: "boolean", default: false },
  });
  if (values.help) return undefined;
  const { emoji, report, threads } = values;
  const strange = emoji ? (["points"] as const) : (["captions", "threads"] as const);
  for (const name of strange)
    if (values[name] !== undefined)
      throw new Error(
        `--${name} is an option of the league ${emoji ? "in the plane, without" : "on emoji, with"} --emoji.`,
      );
  const backend = choice("backend", values.backend, "wasm", backends);
  const ranks = parseRanks(values, backend);
  if (ranks && report) throw new Error("--report is one program's work; leave out --distributed.");
  const own = emoji ? budgets.emoji : budgets.plane;
  return {
    ...{ emoji, report },
    names: values.only?.split(",").map((name) => choice("only", name, "sid", methodNames)) ?? methodNames,
    seeds: integer("seeds", values.seeds, shared.seeds, 1),
    passes: integer("passes", values.passes, own.passes, 60),
    points: integer("points", values.points, shared.points, 100),
    captions: integer("captions", values.captions, shared.captions, 100),
    ...{ backend, ranks },
    arithmetic: fmaOf(values),
    threads: threads === undefined ? undefined : integer("threads", threads, 1, 1),
    out: values.out === undefined ? projectPath(own.out) : userPath("out", values.out),
  };
}
