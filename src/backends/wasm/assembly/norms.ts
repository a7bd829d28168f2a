/* Group and layer normalisation and their backward passes; the formulas are those of models/nn/norms.ts. */
import { bytes, loadUpTo4, madd, nmadd, sigmoid4, storeUpTo4, sum4 } from "./floats";
import { slope4 } from "./gates";

/** Floats of scratch that group normalisation wants. */
export function groupNormScratch(channels: i32): i32 {
  return 6 * channels;
}

/** Row by row over the positions, `sums[c] = Σ x` or, squared, `Σ (x − mean[c])²`. */
// @ts-ignore: decorator
@inline
function sumColumns(x: usize, positions: i32, channels: i32, mean: usize, sums: usize, squared: bool): void {
  memory.fill(sums, 0, bytes(channels));
  const whole = channels & ~3;
  for (let n = 0; n < positions; n++, x += bytes(channels)) {
    for (let c = 0; c < whole; c += 4) addUpTo4(x + bytes(c), 4, mean + bytes(c), sums + bytes(c), squared);
    if (whole < channels)
      addUpTo4(x + bytes(whole), channels - whole, mean + bytes(whole), sums + bytes(whole), squared);
  }
}

// @ts-ignore: decorator
@inline
function addUpTo4(x: usize, count: i32, mean: usize, sums: usize, squared: bool): void {
  let v = loadUpTo4(x, count);
  if (squared) {
    v = f32x4.sub(v, loadUpTo4(mean, count));
    v = f32x4.mul(v, v);
  }
  storeUpTo4(sums, f32x4.add(loadUpTo4(sums, count), v), count);
}

// @ts-ignore: decorator
@inline
function sumOf(at: usize, count: i32): f64 {
  let sum: f64 = 0;
  for (let i = 0; i < count; i++) sum += load<f32>(at + bytes(i));
  return sum;
}

/**
 * Group normalisation of `[batch, positions, channels]`, followed by `u·σ(u)` if `gate`.
 * `stats` gets mean and 1/√(variance + eps) of each sample's groups.
 */
export function groupNorm(
  x: usize, scale: usize, shift: usize,
  batch: i32, positions: i32, channels: i32, groups: i32, eps: f32, gate: i32,
  out: usize, stats: usize, scratch: usize,
): void {
  const size = channels / groups;
  const count = <f64>(positions * size);
  const sums = scratch;
  const mean = scratch + bytes(channels);
  const factor = mean + bytes(channels);
  for (let b = 0; b < batch; b++) {
    sumColumns(x, positions, channels, mean, sums, false);
    for (let g = 0; g < groups; g++, stats += 8) {
      const m = <f32>(sumOf(sums + bytes(g * size), size) / count);
      store<f32>(stats, m);
      for (let c = g * size; c < (g + 1) * size; c++) store<f32>(mean + bytes(c), m);
    }
    sumColumns(x, positions, channels, mean, sums, true);
    stats -= bytes(2 * groups);
    for (let g = 0; g < groups; g++, stats += 8) {
      const r = <f32>(1 / Math.sqrt(sumOf(sums + bytes(g * size), size) / count + <f64>eps));
      store<f32>(stats, r, 4);
      for (let c = g * size; c < (g + 1) * size; c++) store<f32>(factor + bytes(c), r * load<f32>(scale + bytes(c)));
    }
    const whole = channels & ~3;
    for (let n = 0; n < positions; n++, x += bytes(channels), out += bytes(channels)) {
      for (let c = 0; c < whole; c += 4)
        normUpTo4(x + bytes(c), 4, mean + bytes(c), factor + bytes(c), shift + bytes(c), gate, out + bytes(c));
      const at = bytes(whole);
      if (whole < channels)
        normUpTo4(x + at, channels - whole, mean + at, factor + at, shift + at, gate, out + at);
    }
  }
}

// @ts-ignore: decorator
@inline
function normUpTo4(x: usize, count: i32, mean: usize, factor: usize, shift: usize, gate: i32, out: usize): void {
  const centred = f32x4.sub(loadUpTo4(x, count), loadUpTo4(mean, count));
  let y = madd(centred, loadUpTo4(factor, count), loadUpTo4(shift, count));
  if (gate) y = f32x4.mul(y, sigmoid4(y));
  storeUpTo4(out, y, count);
}

/** The backward pass of {@link groupNorm}; `dScale` and `dShift` are each sample's own: `[batch, channels]`. */
export function groupNormGradient(
  dy: usize, x: usize, scale: usize, shift: usize, stats: usize,
  batch: i32, positions: i32, channels: i32, groups: i32, gate: i32,
  dx: usize, dScale: usize, dShift: usize, scratch: usize,
): void {
  const size = channels / groups;
  const count = <f64>(positions * size);
  const mean = scratch;
  const factor = mean + bytes(channels);
  const sumD = factor + bytes(channels);
  const sumDC = sumD + bytes(channels);
  const offset = sumDC + bytes(channels);
  const slope = offset + bytes(channels);
  for (let b = 0; b < batch; b++, stats += bytes(2 * groups)) {
    for (let c = 0; c < channels; c++) {
      const group = stats + bytes(2 * (c / size));
      store<f32>(mean + bytes(c), load<f32>(group));
      store<f32>(factor + bytes(c), load<f32>(group, 4) * load<f32>(scale + bytes(c)));
    }
    memory.fill(sumD, 0, bytes(2 * channels));
    // Through the gate, whose derivative waits in dx, and the sums over the positions.
    const whole = channels & ~3;
    const rest = bytes(whole);
    for (let n = 0, at: usize = 0; n < positions; n++, at += bytes(channels)) {
      for (let c: usize = 0; c < rest; c += 16)
        gateUpTo4(dy + at + c, x + at + c, 4, mean + c, factor + c, shift + c, gate, dx + at + c, sumD + c, sumDC + c);
      if (whole < channels)
        gateUpTo4(
          dy + at + rest, x + at + rest, channels - whole, mean + rest, factor + rest, shift + rest, gate,
          dx + at + rest, sumD + rest, sumDC + rest,
        );
    }
    for (let g = 0; g < groups; g++) {
      const r = <f64>load<f32>(stats + bytes(2 * g), 4);
      let meanD: f64 = 0;
      let meanDC: f64 = 0;
      for (let c = g * size; c < (g + 1) * size; c++) {
        const at = bytes(c);
        const weight = <f64>load<f32>(scale + at);
        const d = load<f32>(sumD + at);
        const dc = load<f32>(sumDC + at);
        meanD += weight * d;
        meanDC += weight * dc;
        store<f32>(dScale + at, <f32>r * dc);
        store<f32>(dShift + at, d);
      }
      for (let c = g * size; c < (g + 1) * size; c++) {
        store<f32>(offset + bytes(c), <f32>((r * meanD) / count));
        store<f32>(slope + bytes(c), <f32>((r * r * r * meanDC) / count));
      }
    }
    const d = gate ? dx : dy;
    for (let n = 0, at: usize = 0; n < positions; n++, at += bytes(channels)) {
      for (let c: usize = 0; c < rest; c += 16)
        throughUpTo4(d + at + c, x + at + c, 4, mean + c, factor + c, offset + c, slope + c, dx + at + c);
      if (whole < channels)
        throughUpTo4(
          d + at + rest, x + at + rest, channels - whole, mean + rest, factor + rest, offset + rest, slope + rest,
          dx + at + rest,
        );
    }
    const sample = bytes(positions * channels);
    x += sample;
    dy += sample;
    dx += sample;
    dScale += bytes(channels);
    dShift += bytes(channels);
  }
}

// @ts-ignore: decorator
@inline
function gateUpTo4(
  dy: usize, x: usize, count: i32, mean: usize, factor: usize, shift: usize, gate: i32,
  dx: usize, sumD: usize, sumDC: usize,
): void {
  const centred = f32x4.sub(loadUpTo4(x, count), loadUpTo4(mean, count));
  let d = loadUpTo4(dy, count);
  if (gate) {
    const u = madd(centred, loadUpTo4(factor, count), loadUpTo4(shift, count));
    d = f32x4.mul(d, slope4(u));
    storeUpTo4(dx, d, count);
  }
  storeUpTo4(sumD, f32x4.add(loadUpTo4(sumD, count), d), count);
  storeUpTo4(sumDC, madd(d, centred, loadUpTo4(sumDC, count)), count);
}

// @ts-ignore: decorator
@inline
function throughUpTo4(
  d: usize, x: usize, count: i32, mean: usize, factor: usize, offset: usize, slope: usize, dx: usize,
): void {
  const centred = f32x4.sub(loadUpTo4(x, count), loadUpTo4(mean, count));
  const v = f32x4.sub(f32x4.mul(loadUpTo4(d, count), loadUpTo4(factor, count)), loadUpTo4(offset, count));
  storeUpTo4(dx, nmadd(centred, loadUpTo4(slope, count), v), count);
}

/** Layer normalisation of `rows` rows of `n` floats; `stats` gets each row's mean and 1/√(variance + eps). */
export function layerNorm(
  x: usize, scale: usize, shift: usize, rows: i32, n: i32, eps: f32, out: usize, stats: usize,
): void {
  for (let row = 0; row < rows; row++, x += bytes(n), out += bytes(n), stats += 8) {
    let sum = f32x4.splat(0);
    for (let i = 0; i < n; i += 4) sum = f32x4.add(sum, loadUpTo4(x + bytes(i), n - i));
    const mean = sum4(sum) / <f32>n;
    let squares: f32 = 0;
    let sum2 = f32x4.splat(0);
    for (let i = 0; i < n; i += 4) {
      if (n - i < 4)
        for (let j = i; j < n; j++) squares += (load<f32>(x + bytes(j)) - mean) * (load<f32>(x + bytes(j)) - mean);
      else {
        const centred = f32x4.sub(v128.load(x + bytes(i)), f32x4.splat(mean));
        sum2 = f32x4.add(sum2, f32x4.mul(centred, centred));
      }
    }
    const r = <f32>(1 / Math.sqrt(<f64>((squares + sum4(sum2)) / <f32>n) + <f64>eps));
    store<f32>(stats, mean);
    store<f32>(stats, r, 4);
    for (let i = 0; i < n; i += 4) {
      const centred = f32x4.sub(loadUpTo4(x + bytes(i), n - i), f32x4.splat(mean));
      const unit = f32x4.mul(centred, f32x4.splat(r));
      const y = madd(unit, loadUpTo4(scale + bytes(i), n - i), loadUpTo4(shift + bytes(i), n - i));
      storeUpTo4(out + bytes(i), y, n - i);
    }
  }
}

/** The backward pass of {@link layerNorm}; `dScale` and `dShift` are written anew. */
export function layerNormGradient(
  dy: usize, x: usize, scale: usize, stats: usize, rows: i32, n: i32, dx: usize, dScale: usize, dShift: usize,
): void {
  memory.fill(dScale, 0, bytes(n));
  memory.fill(dShift, 0, bytes(n));
  for (let row = 0; row < rows; row++, x += bytes(n), dy += bytes(n), dx += bytes(n), stats += 8) {
    const mean = f32x4.splat(load<f32>(stats));
    const r = f32x4.splat(load<f32>(stats, 4));
    let sumG = f32x4.splat(0);
    let sumGU = sumG;
    for (let i = 0; i < n; i += 4) {
      const left = n - i;
      // Where there is no column any more, dy is zero.
      const d = loadUpTo4(dy + bytes(i), left);
      const unit = f32x4.mul(f32x4.sub(loadUpTo4(x + bytes(i), left), mean), r);
      const g = f32x4.mul(d, loadUpTo4(scale + bytes(i), left));
      sumG = f32x4.add(sumG, g);
      sumGU = f32x4.add(sumGU, f32x4.mul(g, unit));
      storeUpTo4(dScale + bytes(i), madd(d, unit, loadUpTo4(dScale + bytes(i), left)), left);
      storeUpTo4(dShift + bytes(i), f32x4.add(loadUpTo4(dShift + bytes(i), left), d), left);
    }
    const meanG = f32x4.splat(sum4(sumG) / <f32>n);
    const meanGU = f32x4.splat(sum4(sumGU) / <f32>n);
    for (let i = 0; i < n; i += 4) {
      const left = n - i;
      const unit = f32x4.mul(f32x4.sub(loadUpTo4(x + bytes(i), left), mean), r);
      const g = f32x4.mul(loadUpTo4(dy + bytes(i), left), loadUpTo4(scale + bytes(i), left));
      const v = f32x4.sub(g, madd(unit, meanGU, meanG));
      storeUpTo4(dx + bytes(i), f32x4.mul(v, r), left);
    }
  }
}
