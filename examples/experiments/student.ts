/** Student's law. */

/**
 * Both tails of Student's law beyond ±t, of a whole number of degrees of freedom, by its finite sums.
 *
 * Source: Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
 */
export function studentTails(t: number, degrees: number): number {
  const angle = Math.atan(t / Math.sqrt(degrees));
  const [sine, square] = [Math.sin(angle), Math.cos(angle) ** 2];
  const isOdd = degrees % 2 === 1;
  // Terms cos^p · Π, p two apart; those of odd degrees begin at cos θ, of even ones at 1.
  let term = isOdd ? Math.cos(angle) : 1;
  let sum = 0;
  for (let power = isOdd ? 1 : 0; power <= degrees - 2; power += 2) {
    sum += term;
    term *= (square * (power + 1)) / (power + 2);
  }
  const within = isOdd ? (2 / Math.PI) * (angle + sine * sum) : sine * sum;
  return Math.max(0, 1 - within);
}

/** The t that leaves 2.5 % in each tail. */
export function studentQuantile(degrees: number): number {
  let [low, high] = [0, 13]; // 12.706 with one degree, less with more
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (studentTails(middle, degrees) > 0.05) low = middle;
    else high = middle;
  }
  return low;
}
