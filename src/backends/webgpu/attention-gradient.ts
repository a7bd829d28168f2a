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
 * With the weights P, which the logarithms of the sums give again, and D = Σ dy ⊙ y of each query and head,
 *
 *     dV = Pᵀ·dY,   dS = P ⊙ (dY·Vᵀ − D)/√d,   dQ = dS·K,   dK = dSᵀ·Q:
 *
 * dQ and D by blocks of queries, then dK and dV by blocks of keys, so that nobody adds to what another one adds to.
 */

const gradientOfQueries: Program<Variant> = {
  name: "attention, gradient of queries",
  shader: (variant) => ({
    reads: {
      ...{ dy: element(variant), q: element(variant), k: element(variant), v: element(variant), y: element(variant) },
      logSums: "f32",
    },
    writes: { dq: "f32", dots: "f32" },
    params,
    body: `
${declarations(variant, ["dy", "q", "k", "v", "y"])}
${begin(variant, "queries")}
  ${declareParts(variant, "d")}
  var dot_ = ${vector(variant)}();
  var logSum = ${vector(variant)}();
  ${each(
    variant.rows,
    (r) => `if (lanesRow + ${r}u < params.queries) {
    ${component(variant, "logSum", r)} = logSums[head * params.queries + lanesRow + ${r}u];
    for (var x = across; x < params.width; x += 8u) {
      let at = ofQueries + (lanesRow + ${r}u) * params.all + x;
      ${component(variant, "dot_", r)} += dyOne(at) * yOne(at);
    }
  }`,
  )}
  ${overRow("dot_", (a, b) => `${a} + ${b}`)}
  if (across == 0u) {
    ${each(variant.rows, (r) => `if (lanesRow + ${r}u < params.queries) { dots[head * params.queries + lanesRow + ${r}u] = ${component(variant, "dot_", r)}; }`)}
  }
  for (var firstKey = 0u; firstKey < params.keys; firstKey += ${tileColumns}u) {
    ${product(variant, "s", { name: "q", of: "queries" }, { name: "k", of: "keys", first: "firstKey" })}
    ${product(variant, "p", { name: "dy", of: "queries" }, { name: "v", of: "keys", first: "firstKey" })}
    ${putTile((c) => `exp(s${c} * params.scale - logSum) * (p${c} - dot_)`)}
    ${addProduct(variant, "d", { name: "k", of: "keys", first: "firstKey" })}
  }
  ${writeParts(variant, "d", { name: "dq", of: "queries" }, "params.scale")}
}`,
  }),
};

const gradientOfKeys: Program<Variant> = {
  name: "attention, gradient of keys",
  shader: (variant) => ({
    reads: {
      ...{ dy: element(variant), q: element(variant), k: element(variant), v: element(variant) },
      ...{ logSums: "f32", dots: "f32" },
    },
    writes: { dk: "f32", dv: "f32" },
    params,
    body: `
${declarations(variant, ["dy", "q", "k", "v"])}
${begin(variant, "keys")}
  ${declareParts(variant, "dk")}
  ${declareParts(variant, "dv")}
  let perHead = head * params.queries;
  for (var firstQuery = 0u; firstQuery < params.queries; firstQuery += ${tileColumns}u) {
    ${product(variant, "s", { name: "k", of: "keys" }, { name: "q", of: "queries", first: "firstQuery" })}
    ${product(variant, "p", { name: "v", of: "keys" }, { name: "dy", of: "queries", first: "firstQuery" })}
    ${columnsOfLane.map((c) => `let at${c} = perHead + min(firstQuery + across + ${8 * c}u, params.queries - 1u);`).join("\n")}
    ${columnsOfLane.map((c) => `s${c} = exp(s${c} * params.scale - logSums[at${c}]);`).join("\n")}
    ${putTile((c) => `s${c}`)}
    ${addProduct(variant, "dv", { name: "dy", of: "queries", first: "firstQuery" })}
    workgroupBarrier();
    ${putTile((c) => `s${c} * (p${c} - dots[at${c}])`)}
    ${addProduct(variant, "dk", { name: "q", of: "queries", first: "firstQuery" })}
  }
  ${writeParts(variant, "dk", { name: "dk", of: "keys" }, "params.scale")}
  ${writeParts(variant, "dv", { name: "dv", of: "keys" }, "1.0")}
}`,
  }),
};

/** Gradients of queries, keys and values. */
export function attentionGradient({ all, attrs, output, scratch, run }: Call): TensorInfo[] {
  const [dy, q, k, v, y, logSums] = all as [TensorInfo, TensorInfo, TensorInfo, TensorInfo, TensorInfo, TensorInfo];
  const { count, queries, keys, params, variant, rowBlocks, ofProduct } = sizesOf(q, k, attrs);
  const [dq, dk, dv] = [output(q.shape), output(k.shape), output(v.shape)];
  const dots = scratch([count, queries]);
  const common = { dy, q, k, v, logSums };
  const ofQueries = { reads: { ...common, y }, writes: { dq, dots }, groups: rowBlocks(queries) };
  const ofKeys = { reads: { ...common, dots }, writes: { dk, dv }, groups: rowBlocks(keys) };
  run(gradientOfQueries, variant, { ...ofQueries, params, work: 3 * ofProduct });
  run(gradientOfKeys, variant, { ...ofKeys, params, work: 4 * ofProduct });
  return [dq, dk, dv];
}
