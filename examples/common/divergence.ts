import type { Divergence, Estimate, LevelDivergence } from "sid-lsg/train";

/** Rows of {@link divergenceTable}, and parts of {@link compactDivergence}. */
const ranges = 8;
const barWidth = 24;

/** What a gauge told, without its error per half a nat of log-SNR: few numbers, for a line of a log. */
export interface CompactDivergence {
  readonly lowerBound: Estimate;
  readonly naive: Estimate;
  readonly lag: Estimate;
  /** What eight ranges of log-SNR add to the lower bound, from noise to signal. */
  readonly levels: readonly (Estimate & Pick<LevelDivergence, "from" | "to">)[];
}

/** `≥ 1.31 ± 0.08 nats`: the gauge's lower bound of KL(generator ‖ teacher), ± half of a 95 % interval. */
export function divergenceText({ lowerBound }: Pick<Divergence, "lowerBound">): string {
  return `≥ ${estimateText(lowerBound)} nats`;
}

/** Where the generator is still wrong: a row and a bar per range of noise, from much to little. */
export function divergenceTable(divergence: Divergence): string[] {
  const rows = rangesOf(divergence);
  const most = Math.max(...rows.map(({ lowerBound }) => lowerBound.value));
  const cells = rows.map(({ from, to, lowerBound }) => ({
    noise: `${noise(from)} … ${noise(to)}`,
    nats: estimateText(lowerBound),
    bar: "#".repeat(most > 0 ? Math.round((barWidth * Math.max(0, lowerBound.value)) / most) : 0),
  }));
  const width = (key: "noise" | "nats") => Math.max(...cells.map((cell) => cell[key].length), 12);
  return [
    `KL(generator ‖ teacher) ${divergenceText(divergence)}; naive ${estimateText(divergence.naive)}, lag ${estimateText(divergence.lag)}`,
    `  ${"noise/signal".padStart(width("noise"))}  nats`,
    ...cells.map(({ noise, nats, bar }) =>
      `  ${noise.padStart(width("noise"))}  ${nats.padStart(width("nats"))}  ${bar}`.trimEnd(),
    ),
  ];
}

/** The figures of an iteration with what the gauge told in few numbers. */
export function compactMetrics<M extends { readonly divergence?: Divergence | undefined }>(
  metrics: M,
): Omit<M, "divergence"> & { readonly divergence?: CompactDivergence } {
  const { divergence, ...rest } = metrics;
  return divergence ? { ...rest, divergence: compactDivergence(divergence) } : rest;
}

/** Four digits of each number; the file of a long run stays small. */
function compactDivergence(divergence: Divergence): CompactDivergence {
  const { lowerBound, naive, lag } = divergence;
  return {
    ...{ lowerBound: rounded(lowerBound), naive: rounded(naive), lag: rounded(lag) },
    levels: rangesOf(divergence).map(({ from, to, lowerBound }) => ({
      ...{ from: Number(from.toPrecision(4)), to: Number(to.toPrecision(4)) },
      ...rounded(lowerBound),
    })),
  };
}

/** Neighbouring levels as ranges of about one width. */
function rangesOf({ levels }: Divergence): Pick<LevelDivergence, "from" | "to" | "lowerBound">[] {
  const [least, greatest] = [levels[0]?.from ?? 0, levels.at(-1)?.to ?? 0];
  const groups = new Map<number, LevelDivergence[]>();
  for (const level of levels) {
    const place = ((level.from + level.to) / 2 - least) / (greatest - least || 1);
    const index = Math.min(ranges - 1, Math.floor(place * ranges));
    groups.set(index, [...(groups.get(index) ?? []), level]);
  }
  return [...groups.values()].map((some) => ({
    from: (some[0] as LevelDivergence).from,
    to: (some.at(-1) as LevelDivergence).to,
    lowerBound: {
      value: some.reduce((sum, { lowerBound }) => sum + lowerBound.value, 0),
      standardError: Math.sqrt(some.reduce((sum, { lowerBound }) => sum + lowerBound.standardError ** 2, 0)),
    },
  }));
}

/** Half of a 95 % interval. */
export const halfInterval = ({ standardError }: Estimate): number => 1.96 * standardError;

/** `1.31 ± 0.08`, half of a 95 % interval: the error with one digit (two where it begins with 1 or 2), the value to the same place. */
function estimateText(estimate: Estimate): string {
  const { value } = estimate;
  const error = halfInterval(estimate);
  if (!(error > 0)) return minus(String(Number(value.toPrecision(3))));
  const [digits, exponent] = error.toExponential(1).split("e") as [string, string];
  const decimals = (Number(digits) < 3 ? 1 : 0) - Number(exponent);
  const places = Math.min(20, Math.max(0, decimals));
  const round = (x: number) => (decimals < 0 ? Math.round(x * 10 ** decimals) / 10 ** decimals : x).toFixed(places);
  return `${minus(round(value))} ± ${round(error)}`;
}

/** A minus sign, but none before nothing. */
const minus = (digits: string) => (Number(digits) === 0 ? digits.replace("-", "") : digits.replace("-", "−"));

/** σ/α at a log-SNR. */
const noise = (logSnr: number) => String(Number(Math.exp(-logSnr / 2).toPrecision(2)));

const rounded = ({ value, standardError }: Estimate): Estimate => ({
  value: Number(value.toPrecision(4)),
  standardError: Number(standardError.toPrecision(4)),
});
