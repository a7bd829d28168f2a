import { test } from "@fast-check/vitest";
import {
  add,
  clone,
  customGrad,
  dispose,
  grad,
  memory,
  mul,
  type Scalar,
  sin,
  square,
  sum,
  type Tensor,
  tanh,
  tensor1d,
  tidy,
  type Variable,
  variableGrads,
} from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { gradientCheckpoint, pullback, valueAndGradients, vjp } from "../../src/core";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, seeds, shapes } from "../support/values";
import { weight } from "../support/weights";

/** A block with a weight, and both ways to run it. */
function withBlock(body: (w: Variable, plain: (x: Tensor) => Tensor, again: (x: Tensor) => Tensor) => void): void {
  const w = weight("core-gradientCheckpoint/w", [0.7]);
  const plain = (x: Tensor) => tanh(add(mul(x, w), sin(square(x))));
  try {
    free(() => body(w, plain, (x) => gradientCheckpoint(plain, [x], [w])));
  } finally {
    w.dispose();
  }
}

test.prop([seeds, shapes])("has the value and the gradients of the function itself, bit for bit", (seed, shape) =>
  withBlock((w, plain, again) => {
    const [x, dy] = draw(seed, shape, 2) as [Tensor, Tensor];
    const [chainPlain, chainAgain] = [plain, again].map((f) => (x: Tensor) => f(f(square(x))));
    const all = (f: (x: Tensor) => Tensor) => [
      f(x),
      ...vjp((x) => f(x as Tensor), [x], dy),
      ...vjp((x) => f(x as Tensor), [x, w], dy),
      ...pullback(() => f(x), dy, [w]),
    ];
    const wanted = all(chainPlain as typeof plain).map(numbers);
    expect(all(chainAgain as typeof plain).map(numbers)).toEqual(wanted);
  }),
);

test("gradientCheckpoint blocks may hold others", () =>
  withBlock((w, plain) => {
    const x = tensor1d([0.3, -2]);
    const nested = (x: Tensor) =>
      gradientCheckpoint(
        (x) => gradientCheckpoint(plain, [gradientCheckpoint(plain, [x as Tensor], [w])], [w]),
        [x],
        [w],
      );
    const gradients = (f: (x: Tensor) => Tensor) => valueAndGradients(() => sum(f(x)) as Scalar, [w]).gradients;
    expect(gradients(nested).map(numbers)).toEqual(gradients((x) => plain(plain(x))).map(numbers));
  }));

test("weights of an outer tape get their gradients through an inner one that does not want them", () =>
  withBlock((w, plain, again) => {
    const v = weight("core-gradientCheckpoint/v", [0.3, -2]);
    const both = (f: (x: Tensor) => Tensor) => () => {
      const { value, gradients } = valueAndGradients(() => sum(f(v)) as Scalar, [v]);
      return add(value, sum(gradients[0] as Tensor)) as Scalar;
    };
    const [wanted, got] = [plain, again].map((f) => valueAndGradients(both(f), [w]).gradients[0] as Tensor);
    expectClose(got as Tensor, wanted as Tensor, 1e-5);
    v.dispose();
  }));

test("works on a tape that tfjs opened, its variables included, and twice differentiated", () =>
  withBlock((w, plain, again) => {
    const x = tensor1d([0.3, -2]);
    const { grads } = variableGrads(() => sum(again(x)) as Scalar, [w]);
    const [wanted] = pullback(() => plain(x), tensor1d([1, 1]), [w]);
    expectClose(grads[w.name] as Tensor, wanted as Tensor, 1e-6);
    const twice = (f: (x: Tensor) => Tensor) => grad((x) => grad((x) => f(x as Tensor))(x as Tensor))(x);
    expectClose(twice(again), twice(plain), 1e-5);
  }));

test("an input without effect gets zeros, a captured tensor nothing", () =>
  free(() => {
    const [x, idle, captured] = [tensor1d([1, 2]), tensor1d([5]), tensor1d([3, 4])];
    const f = (x: Tensor, idle: Tensor, captured: Tensor) =>
      gradientCheckpoint((x) => mul(x as Tensor, captured), [x, idle]);
    const [dx, none] = vjp((x, idle) => f(x as Tensor, idle as Tensor, captured), [x, idle], tensor1d([1, 1]));
    expect(numbers(dx as Tensor)).toEqual([3, 4]);
    expect(numbers(none as Tensor)).toEqual([0]);
    expectSidError("invalid-argument", () => vjp((c) => f(x, idle, c as Tensor), [captured], tensor1d([1, 1])));
    expect(
      numbers(vjp((x) => gradientCheckpoint((x) => x as Tensor, [x as Tensor]), [x], captured)[0] as Tensor),
    ).toEqual([3, 4]);
  }));

test("weights that are not differentiated cost no backward pass", () =>
  withBlock((w) => {
    let asked = 0;
    const probe = customGrad((x, save) => {
      (save as (tensors: Tensor[]) => void)([]);
      const gradFunc = (dy: Tensor) => {
        asked++;
        return clone(dy);
      };
      return { value: clone(x as Tensor), gradFunc };
    });
    const x = tensor1d([0.3]);
    const f = (x: Tensor) => gradientCheckpoint((x) => mul(x as Tensor, probe(w)), [x], [w]);
    vjp((x) => f(x as Tensor), [x], x);
    expect(asked).toBe(0);
    vjp((x) => f(x as Tensor), [x, w], x);
    expect(asked).toBe(1);
  }));

test("keeps its inputs and nothing else until the backward pass", () =>
  withBlock((w, plain, again) => {
    const x = tensor1d([0.3, -2]);
    const kept = (f: (x: Tensor) => Tensor) => {
      let during = 0;
      valueAndGradients(() => {
        const before = memory().numTensors;
        const y = tidy(() => f(x));
        during = memory().numTensors - before;
        return sum(y) as Scalar;
      }, [w]);
      return during;
    };
    // The result and one copy of the input.
    expect(kept(again)).toBe(2);
    expect(kept(plain)).toBeGreaterThan(6);
  }));

test("a throw in the forward or the backward pass leaves nothing behind", () =>
  withBlock((w, plain) => {
    const x = tensor1d([0.3, -2]);
    for (const failing of [1, 2]) {
      let calls = 0;
      const f = (x: Tensor) => {
        calls++;
        const y = plain(x);
        if (calls === failing) throw new Error("on purpose");
        return y;
      };
      const before = memory().numTensors;
      expect(() => valueAndGradients(() => sum(gradientCheckpoint(f, [plain(x)], [w])) as Scalar, [w])).toThrow(
        "on purpose",
      );
      expect(memory().numTensors).toBe(before);
      dispose(valueAndGradients(() => sum(plain(x)) as Scalar, [w]) as never);
      expect(memory().numTensors).toBe(before);
    }
  }));

test("bad arguments are refused", () =>
  free(() => {
    const x = tensor1d([1]);
    expectSidError("invalid-argument", () => gradientCheckpoint(undefined as never, [x]), /f must be a function/);
    expectSidError(
      "invalid-argument",
      () => gradientCheckpoint(square as never, x as never),
      /inputs must be an array/,
    );
    expectSidError("invalid-argument", () => gradientCheckpoint(square as never, [1 as never]), /input 0/);
    expectSidError("invalid-argument", () => gradientCheckpoint(square as never, [x], [x as never]), /variables/);
    expectSidError("invalid-argument", () => gradientCheckpoint(() => 3 as never, [x]), /result/);
  }));
