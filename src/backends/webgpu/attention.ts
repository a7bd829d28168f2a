import type { TensorInfo } from "@tensorflow/tfjs-core";
import {
  addProduct,
  begin,
  columnsOfLane,
  component,
  declarations,
  declareParts,
  each,
  element,
  overRow,
  params,
  product,
  putTile,
  sizesOf,
  tileColumns,
  type Variant,
  vector,
  writeParts,
} from "./attention-tiles";
import type { Call } from "./kernel";
import type { Program } from "./program";

/*
 * Multi-head attention without the matrix of scores: tile by tile over the keys with a running maximum and sum (Milakov &
 * Gimelshein, arXiv:1805.02867; Dao et al., arXiv:2205.14135). Of the softmax only each row's logarithm of its sum is
 * kept, from which the backward pass has the weights again.
 */

/** Less than any score that is a number. */
const least = "-3.4028234e38";

const forward: Program<Variant> = {
  name: "attention",
  shader: (variant) => ({
    reads: { q: element(variant), k: element(variant), v: element(variant) },
    writes: { y: "f32", logSums: "f32" },
    params,
    body: `
${declarations(variant, ["q", "k", "v"])}
${begin(variant, "queries")}
  var most = ${vector(variant)}(${least});
  var sum = ${vector(variant)}();
  ${declareParts(variant, "y")}
  for (var firstKey = 0u; firstKey < params.keys; firstKey += ${tileColumns}u) {
    ${product(variant, "s", { name: "q", of: "queries" }, { name: "k", of: "keys", first: "firstKey" })}
    let before = most;
    ${columnsOfLane.map((c) => `let in${c} = firstKey + across + ${8 * c}u < params.keys; s${c} *= params.scale;`).join("\n")}
    ${columnsOfLane.map((c) => `if (in${c}) { most = max(most, s${c}); }`).join("\n")}
    ${overRow("most", (a, b) => `max(${a}, ${b})`)}
    let shrink = exp(before - most);
    ${columnsOfLane.map((c) => `if (in${c}) { s${c} = exp(s${c} - most); } else { s${c} = ${vector(variant)}(); }`).join("\n")}
    sum = sum * shrink + ${columnsOfLane.map((c) => `s${c}`).join(" + ")};
    ${putTile((c) => `s${c}`)}
    ${each(variant.parts, (i) => `y${i} *= shrink;`)}
    ${addProduct(variant, "y", { name: "v", of: "keys", first: "firstKey" })}
  }
  ${overRow("sum", (a, b) => `${a} + ${b}`)}
  ${each(variant.parts, (i) => `y${i} /= sum;`)}
  ${writeParts(variant, "y", { name: "y", of: "queries" }, "1.0")}
  let logSum = most + log(sum);
  if (across == 0u) {
    ${each(variant.rows, (r) => `if (lanesRow + ${r}u < params.queries) { logSums[head * params.queries + lanesRow + ${r}u] = ${component(variant, "logSum", r)}; }`)}
  }
}`,
  }),
};

/** See `SidAttention`; then the result again, and the logarithm of the sum of each query's exponentials. */
export function attention({ inputs, attrs, output, share, run }: Call): TensorInfo[] {
  const [q, k, v] = inputs;
  const { count, queries, params, variant, rowBlocks, ofProduct } = sizesOf(q, k, attrs);
  const [y, logSums] = [output(q.shape), output([count, queries])];
  const [reads, writes] = [
    { q, k, v },
    { y, logSums },
  ];
  run(forward, variant, { reads, writes, params, groups: rowBlocks(queries), work: 2 * ofProduct });
  return [y, share(y), logSums];
}
