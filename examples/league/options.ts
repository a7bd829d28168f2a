import { backends, choice, commandLine, integer } from "../common/command-line";
import { projectPath, userPath } from "../common/paths";
import { type PlaneMethodName, planeMethods } from "../plane/methods";

export const planeMethodNames = Object.keys(planeMethods) as PlaneMethodName[];

/** What the league was asked to do, all of it checked. */
export interface LeagueOptions {
  /** Write the page of what is finished instead of running. */
  readonly report: boolean;
  readonly names: readonly PlaneMethodName[];
  readonly seeds: number;
  readonly passes: number;
  readonly points: number;
  readonly backend: (typeof backends)[number];
  /** Folder of the runs. */
  readonly out: string;
}

/** What the committed league was done with. */
export const budget = { seeds: 5, passes: 5400, points: 131_072 } as const;

export function usage(): string {
  return `npm run league   distil the ring in the plane by all ${planeMethodNames.length} methods, ${budget.seeds} seeds each; goes on where it was
npm run league -- --report   write docs/league/ from what is finished

  --seeds N         seeds of each (${budget.seeds})
  --only NAMES      some of them, with commas: ${planeMethodNames.join(", ")}
  --passes N        of networks, forwards and backwards, per run and sample of the batch (${budget.passes})
  --points N        that a law is read from (${budget.points})
  --backend NAME    ${backends.join(", ")} (wasm)
  --out DIR         where the runs are (runs/league)
  --help            this text`;
}

/** Reads the command line; `undefined` when it asks for help. Throws an error with a plain message for a bad one. */
export function parseLeagueOptions(args: readonly string[]): LeagueOptions | undefined {
  const values = commandLine(args, {
    report: { type: "boolean", default: false },
    seeds: { type: "string" },
    only: { type: "string" },
    passes: { type: "string" },
    points: { type: "string" },
    backend: { type: "string" },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  });
  if (values.help) return undefined;
  return {
    report: values.report,
    names: values.only?.split(",").map((name) => choice("only", name, "sid", planeMethodNames)) ?? planeMethodNames,
    seeds: integer("seeds", values.seeds, budget.seeds, 1),
    passes: integer("passes", values.passes, budget.passes, 60),
    points: integer("points", values.points, budget.points, 100),
    backend: choice("backend", values.backend, "wasm", backends),
    out: values.out === undefined ? projectPath("runs/league") : userPath("out", values.out),
  };
}
