import { test } from "@fast-check/vitest";
import {
  add,
  customGrad,
  dispose,
  exp,
  memory,
  mul,
  type Scalar,
  scalar,
  square,
  sum,
  type Tensor,
  tensor,
  tensor1d,
  tidy,
  type Variable,
  variable,
} from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { noGrad, pullback, valueAndGradients, vjp } from "../../src/core";
import { expectSidError } from "../support/errors";
import { expectClose, numbers } from "../support/matchers";
import { draw, free, seeds, shapes } from "../support/values";

let made = 0;

/** Runs a body with variables that hold these tensors, and frees everything. */
function withVariables(values: () => readonly Tensor[], body: (variables: Variable[]) => void): void {
  const variables = tidy(() => values().map((value) => variable(value, true, `core-tape/${made++}`)));
  try {
    free(() => body(variables));
  } finally {
    dispose(variables);
  }
}

describe("noGrad", () => {
  test.prop([seeds, shapes])("is a constant to the tape around it", (seed, shape) =>
    free(() => {
      const [x, dy] = draw(seed, shape, 2) as [Tensor, Tensor];
      const [gradient] = vjp(
        (y) =>
          mul(
            y,
            noGrad(() => square(y)),
          ),
        [x],
        dy,
      );
      expectClose(gradient as Tensor, mul(dy, square(x)), 1e-6);
    }),
  );

  test("keeps its result and nothing else", () =>
    free(() => {
      const x = tensor1d([1, 2]);
      const before = memory().numTensors;
      const y = noGrad(() => exp(square(exp(x))));
      expect(memory().numTensors).toBe(before + 1);
      expectClose(
        y,
        [1, 2].map((v) => Math.exp(Math.exp(v) ** 2)),
        1e-5,
      );
    }));

  test("keeps no activation on a tape", () =>
    free(() => {
      const x = tensor1d([1, 2]);
      const during: number[] = [];
      const measure = (hidden: (f: () => Tensor) => Tensor) => {
        vjp(
          (y) => {
            const z = hidden(() => exp(square(exp(square(x)))));
            during.push(memory().numTensors);
            return mul(y, z);
          },
          [x],
          x,
        );
      };
      measure(noGrad);
      measure((f) => tidy(f));
      expect(during[0]).toBeLessThan(during[1] as number);
    }));

  test("a throw inside leaves nothing behind", () => {
    const x = tensor1d([1]);
    const before = memory().numTensors;
    const failing = () => {
      exp(x);
      throw new Error("inside");
    };
    expect(() => noGrad(failing)).toThrow("inside");
    expect(memory().numTensors).toBe(before);
    x.dispose();
  });
});

describe("vjp", () => {
  test.prop([seeds, shapes])("is the transposed Jacobian times the cotangent, for each input", (seed, shape) =>
    free(() => {
      const [x, y, dy] = draw(seed, shape, 3) as [Tensor, Tensor, Tensor];
      const [toX, toY] = vjp((a, b) => mul(square(a as Tensor), b as Tensor), [x, y], dy);
      expectClose(toX as Tensor, mul(mul(mul(x, 2), y), dy), 1e-5);
      expectClose(toY as Tensor, mul(square(x), dy), 1e-5);
    }),
  );

  test("makes one tensor per input and frees the rest", () =>
    free(() => {
      const [x, y] = [tensor1d([1, 2]), tensor1d([3, 4])];
      const before = memory().numTensors;
      vjp((a, b) => exp(mul(square(a as Tensor), b as Tensor)), [x, y], x);
      expect(memory().numTensors).toBe(before + 2);
    }));

  test("of the identity, is a copy of the cotangent", () =>
    free(() => {
      const [x, dy] = [tensor1d([1, 2]), tensor1d([3, 4])];
      const [gradient] = vjp((a) => a as Tensor, [x], dy);
      gradient?.dispose();
      expect([...numbers(x), ...numbers(dy)]).toEqual([1, 2, 3, 4]);
    }));

  test("inside another tape: second derivatives", () =>
    free(() => {
      const x = tensor1d([2, 3]);
      const ones = tensor1d([1, 1]);
      const slope = (a: Tensor) => vjp((b) => mul(square(b as Tensor), b as Tensor), [a], ones)[0] as Tensor;
      expectClose(vjp((a) => slope(a as Tensor), [x], ones)[0] as Tensor, mul(x, 6), 1e-6);
    }));
});

describe("valueAndGradients and pullback", () => {
  test.prop([seeds, shapes])("agree with each other and with the closed form, in the order asked for", (seed, shape) =>
    withVariables(
      () => draw(seed, shape, 2),
      ([v, w]) => {
        const [a, b] = [v as Variable, w as Variable];
        const [dy] = draw(seed + 1, shape, 1) as [Tensor];
        const f = () => mul(square(a), b);
        const joint = valueAndGradients(() => sum(mul(f(), dy)) as Scalar, [b, a]);
        const pulled = pullback(f, dy, [b, a]);
        expectClose(add(joint.value, 100), add(sum(mul(f(), dy)), 100), 1e-5);
        for (const gradients of [joint.gradients, pulled]) {
          expectClose(gradients[0] as Tensor, mul(square(a), dy), 1e-5);
          expectClose(gradients[1] as Tensor, mul(mul(mul(a, 2), b), dy), 1e-5);
        }
      },
    ),
  );

  test("make one tensor per variable, and the value", () =>
    withVariables(
      () => [tensor1d([1, 2]), tensor1d([3, 4])],
      (variables) => {
        const [a, b] = variables as [Variable, Variable];
        const before = memory().numTensors;
        const { value, gradients } = valueAndGradients(() => sum(exp(mul(a, square(b)))) as Scalar, variables);
        expect(memory().numTensors).toBe(before + 3);
        dispose([value, ...gradients]);
        dispose(pullback(() => exp(mul(a, square(b))), a, variables));
        expect(memory().numTensors).toBe(before);
      },
    ));

  test("a variable that is itself the loss stays the caller's", () =>
    withVariables(
      () => [scalar(5)],
      ([w]) => {
        const { value, gradients } = valueAndGradients(() => w as unknown as Scalar, [w as Variable]);
        expect([...numbers(value), ...numbers(gradients[0] as Tensor)]).toEqual([5, 1]);
        dispose([value, ...gradients]);
        expect(numbers(w as Variable)).toEqual([5]);
      },
    ));
});

describe("bad input", () => {
  const f = (x: Tensor) => exp(square(x));

  /** Every function, given this result of its closure; nothing may stay behind. */
  function refuses(code: "shape-mismatch" | "invalid-argument", message: RegExp, result: (x: Tensor) => Tensor): void {
    withVariables(
      () => [tensor1d([1, 2])],
      (variables) => {
        const [w] = variables as [Variable];
        const x = tensor1d([1, 2]);
        const before = memory().numTensors;
        expectSidError(code, () => vjp((a) => result(a as Tensor), [x], x), message);
        expectSidError(code, () => pullback(() => result(w), x, variables), message);
        expectSidError(code, () => valueAndGradients(() => result(w) as Scalar, variables), message);
        expect(memory().numTensors).toBe(before);
      },
    );
  }

  test("a result of another shape", () =>
    refuses("shape-mismatch", /wanted a result/, (x) => tensor([[1]]) && f(mul(x, tensor([[1], [1]])))));
  test("a result that is no tensor", () => {
    refuses("invalid-argument", /must be a tensor/, (x) => f(x) && (3 as never));
    expectSidError("invalid-argument", () => noGrad(() => 3 as never), /noGrad.*must be a tensor/);
  });

  test("a result that does not depend on what is differentiated", () =>
    withVariables(
      () => [tensor1d([1, 2]), tensor1d([3])],
      (variables) => {
        const [w, other] = variables as [Variable, Variable];
        const x = tensor1d([1, 2]);
        const before = memory().numTensors;
        expectSidError(
          "invalid-argument",
          () => vjp((a) => f(a as Tensor), [x, w], x),
          /depend on variable "core-tape/,
        );
        expectSidError("invalid-argument", () => vjp(() => f(w), [x], x), /depend on input 0 \[2\]/);
        expectSidError("invalid-argument", () => pullback(() => f(w), x, [w, other]), new RegExp(other.name));
        expectSidError("invalid-argument", () => valueAndGradients(() => sum(f(w)) as Scalar, [other]), /core-tape/);
        expect(memory().numTensors).toBe(before);
      },
    ));

  test("nothing to differentiate, or nothing that can be", () =>
    withVariables(
      () => [tensor1d([1, 2])],
      (variables) => {
        const [w] = variables as [Variable];
        const x = tensor1d([1, 2]);
        const gone = tensor1d([1, 2]);
        gone.dispose();
        const none = [
          () => vjp(f as never, [], x),
          () => vjp(f as never, x as never, x),
          () => vjp(f as never, [gone], x),
          () => vjp(f as never, [x], gone),
          () => vjp(f as never, [x], [1, 2] as never),
          () => pullback(() => f(w), x, []),
          () => pullback(() => f(w), x, [x as Variable]),
          () => valueAndGradients(() => sum(f(w)) as Scalar, []),
          () => valueAndGradients(() => sum(f(w)) as Scalar, w as never),
        ];
        for (const call of none) expectSidError("invalid-argument", call);
        expectSidError("shape-mismatch", () => vjp(f as never, [x], tensor1d([1, 2], "int32")), /float32/);
      },
    ));

  test.each(["vjp", "pullback", "valueAndGradients"])("a throw inside %s leaves nothing behind", (name) =>
    withVariables(
      () => [tensor1d([1, 2])],
      (variables) => {
        const [w] = variables as [Variable];
        const x = tensor1d([1, 2]);
        const before = memory().numTensors;
        const failing = () => {
          customGrad((a, save) => {
            (save as (all: Tensor[]) => void)([a as Tensor]);
            return { value: f(a as Tensor), gradFunc: (dy) => dy as Tensor };
          })(f(add(x, w)));
          throw new Error("inside");
        };
        const calls = {
          vjp: () => vjp(failing, [x], x),
          pullback: () => pullback(failing, x, variables),
          valueAndGradients: () => valueAndGradients(failing, variables),
        };
        expect(calls[name as keyof typeof calls]).toThrow("inside");
        expect(memory().numTensors).toBe(before);
      },
    ),
  );
});
