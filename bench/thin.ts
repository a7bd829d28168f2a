/**
 * What packing and storing cost a product on wasm, one thread: GFLOP/s and share of M, as in bench/run.ts, of products of
 * 1024 columns with few rows, for which all of B is packed, and of batches with a short inner side, which store much for
 * what they compute.
 *
 *     npx tsup --no-dts --silent && npx tsx --tsconfig tsconfig.base.json bench/thin.ts
 */
import { getKernel, type KernelConfig } from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-wasm";
import { arithmetic, useBackend } from "sid-lsg/backends";
import { product, secondsPerCall, stockProduct } from "./kernels";

const turns = 9;
const median = (all: number[]) => all.sort((a, b) => a - b)[all.length >> 1] as number;

const { kernelFunc } = getKernel("BatchMatMul", "wasm") as KernelConfig;
await useBackend("wasm", { threads: 1 });
const yardstick = stockProduct(kernelFunc);
const m = () => yardstick.flops / secondsPerCall(yardstick.run);
for (let i = 0; i < 3; i++) m();
console.log(`Node ${process.version}, ${arithmetic() === "fma" ? "fused" : "no fused"} multiply-adds\n`);
console.log("| product | GFLOP/s | of M |\n|---|---|---|");
for (const figure of [
  ...[8, 32, 128, 512].map((rows) => product([1, rows, 1024], [1, 1024, 1024])),
  ...[16, 32, 64, 256].map((inner) => product([16, 256, inner], [16, inner, 256])),
]) {
  for (let i = 0; i < 3; i++) secondsPerCall(figure.run);
  const pairs = Array.from({ length: turns }, () => [figure.flops / secondsPerCall(figure.run), m()] as const);
  const speed = (median(pairs.map(([own]) => own)) / 1e9).toFixed(1);
  console.log(`| ${figure.name} | ${speed} | ${median(pairs.map(([own, m]) => own / m)).toFixed(2)} |`);
}
