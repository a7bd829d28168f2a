/** SiD between Gaussians on a line, where its gradient has a closed form: what α does, without chance. */

/** A law on the line. */
export interface Gaussian {
  readonly mean: number;
  readonly std: number;
}

/** How much of x0 and of noise is in x_t. */
export interface Level {
  readonly alpha: number;
  readonly sigma: number;
}

/** The two parts of a gradient in the generator's mean and deviation, both networks held. */
export interface Parts {
  /** Of `E‖δ‖²`: what moving x_t alone brings. */
  readonly naive: Gaussian;
  /** Of `E[δ·(f_ψ − x_g)]`: what stands for the answer of the fake score. */
  readonly answer: Gaussian;
}

/** What a descent needs to know. */
export interface Descent {
  readonly data: Gaussian;
  readonly levels: readonly Level[];
  /** How much of each part is descended: `1 − α` and 1. */
  readonly naive: number;
  readonly answer: number;
  readonly step: number;
  /** The share of its way to the generator that the fake score goes at each step; 1 is a perfect one. */
  readonly follows: number;
}

/** The guess of x0 at x_t, `offset + slope·x_t`, that is right for a law. */
function guess({ mean, std }: Gaussian, { alpha, sigma }: Level) {
  const slope = (alpha * std ** 2) / (alpha ** 2 * std ** 2 + sigma ** 2);
  return { slope, offset: mean - slope * alpha * mean };
}

/** The parts at a generator's law, with a fake score that is right for another, as means over the levels. */
export function gradientParts(generator: Gaussian, fake: Gaussian, data: Gaussian, levels: readonly Level[]): Parts {
  const { mean, std } = generator;
  const sums = { naive: { mean: 0, std: 0 }, answer: { mean: 0, std: 0 } };
  for (const level of levels) {
    const { alpha } = level;
    const [teacher, own] = [guess(data, level), guess(fake, level)];
    const slope = teacher.slope - own.slope;
    // δ and f_ψ − x_g at the mean of x_t.
    const delta = teacher.offset - own.offset + slope * alpha * mean;
    const miss = own.offset + own.slope * alpha * mean - mean;
    sums.naive.mean += 2 * delta * slope * alpha;
    sums.naive.std += 2 * slope ** 2 * alpha ** 2 * std;
    sums.answer.mean += slope * alpha * miss + delta * (own.slope * alpha - 1);
    sums.answer.std += 2 * slope * alpha * (own.slope * alpha - 1) * std;
  }
  const over = ({ mean, std }: Gaussian) => ({ mean: mean / levels.length, std: std / levels.length });
  return { naive: over(sums.naive), answer: over(sums.answer) };
}

/** The laws that a descent goes through, the first included, without end. */
export function* descend(start: Gaussian, { data, levels, naive, answer, step, follows }: Descent) {
  let generator = start;
  let fake = start;
  for (;;) {
    yield generator;
    const parts = gradientParts(generator, fake, data, levels);
    const slope = (of: keyof Gaussian) => naive * parts.naive[of] + answer * parts.answer[of];
    generator = { mean: generator.mean - step * slope("mean"), std: generator.std - step * slope("std") };
    const nearer = (of: keyof Gaussian) => fake[of] + follows * (generator[of] - fake[of]);
    fake = { mean: nearer("mean"), std: nearer("std") };
  }
}
