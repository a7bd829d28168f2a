import type { Variable } from "@tensorflow/tfjs-core";
import { sharedState } from "./shared-state";

const marked = /* @__PURE__ */ sharedState("variables of two bytes a number", () => new WeakSet<Variable>());

/** Remembers that a variable stores float16: what it is assigned shall too. */
export function markHalves(v: Variable): void {
  marked.add(v);
}

/** Whether a variable stores float16. */
export function storesHalves(v: Variable): boolean {
  return marked.has(v);
}
