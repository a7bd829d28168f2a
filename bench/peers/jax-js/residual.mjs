/**
 * One U-Net residual block in jax-js on WASM, forward and backward, for comparison. Says which version runs, then
 * answers each line on standard input with the seconds of one pass.
 */
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { blockUntilReady, defaultDevice, grad, init, jit, lax, nn, numpy as np, random } from "@jax-js/jax";

const [batch, channels, size, groups] = [16, 64, 16, 16];
await init("wasm");
defaultDevice("wasm");

/** Group normalisation without scale and shift, channels first. */
function groupNorm(x) {
  const split = x.reshape([batch, groups, (channels / groups) * size * size]);
  const mean = np.mean(split.ref, 2, { keepdims: true });
  const centred = split.sub(mean);
  const variance = np.mean(np.square(centred.ref), 2, { keepdims: true });
  return centred.div(np.sqrt(variance.add(1e-5))).reshape([batch, channels, size, size]);
}

const conv = (x, filter) => lax.conv(x, filter, [1, 1], "SAME");

/** `Σ (x + conv(silu(norm(conv(silu(norm(x)))))))·dy`. */
function loss({ x, first, second }, dy) {
  const h = conv(nn.silu(groupNorm(x.ref)), first);
  const y = x.add(conv(nn.silu(groupNorm(h)), second));
  return np.sum(y.mul(dy));
}

const keys = random.split(random.key(0), 4);
const [k0, k1, k2, k3] = [0, 1, 2, 3].map((i) => keys.ref.slice(i));
const image = [batch, channels, size, size];
const filter = [channels, channels, 3, 3];
const inputs = {
  x: random.normal(k0, image),
  first: random.normal(k1, filter).mul(0.05),
  second: random.normal(k2, filter).mul(0.05),
};
const dy = random.normal(k3, image);
const backward = jit(grad(loss));

async function pass() {
  const borrowed = Object.fromEntries(Object.entries(inputs).map(([name, array]) => [name, array.ref]));
  const gradients = backward(borrowed, dy.ref);
  await blockUntilReady(gradients);
  for (const gradient of Object.values(gradients)) gradient.dispose();
}

await pass();
const { version } = JSON.parse(readFileSync(new URL("node_modules/@jax-js/jax/package.json", import.meta.url), "utf8"));
console.log(`jax-js ${version}, one residual block [${image}], forward and backward`);
for await (const _ of createInterface({ input: process.stdin })) {
  const started = performance.now();
  await pass();
  console.log((performance.now() - started) / 1000);
}
