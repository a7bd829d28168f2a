import { readFileSync } from "node:fs";
import { type Tensor, tensor, tensor1d } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import type { PredictionType } from "../../src/core";
import { vjp } from "../../src/core";
import { fakeScoreLoss, type LossReduction, type SidLossOptions, sidCotangents, sidLoss } from "../../src/losses";
import type { NoiseLevel } from "../../src/predict";
import { expectClose } from "../support/matchers";
import { free } from "../support/values";

type Named<Name extends string> = Readonly<Record<Name, readonly number[]>>;
interface Golden {
  readonly shape: readonly number[];
  readonly levels: Readonly<Record<string, NoiseLevel>>;
  readonly sid: {
    readonly level: string;
    readonly inputs: Named<"generated" | "teacher" | "fake">;
    readonly cases: readonly {
      readonly options: SidLossOptions;
      readonly invalid: number | null;
      readonly value: number;
      readonly gradients: Named<"generated" | "teacher" | "fake">;
    }[];
  };
  readonly fake: {
    readonly inputs: Named<"prediction" | "generated" | "noise">;
    readonly cases: readonly {
      readonly level: string;
      readonly predicts: PredictionType;
      readonly reduction: LossReduction;
      readonly value: number;
      readonly gradient: readonly number[];
    }[];
  };
}
const golden = JSON.parse(readFileSync(new URL("../golden/losses.json", import.meta.url), "utf8")) as Golden;
const batch = (values: readonly number[]) => tensor([...values], [...golden.shape], "float32");

describe.each(golden.sid.cases.map((item) => ({ ...item, text: JSON.stringify([item.options, item.invalid]) })))(
  "sidLoss in PyTorch: $text",
  ({ options: given, invalid, value, gradients }) => {
    const inputs = () => {
      const { generated, teacher, fake } = golden.sid.inputs;
      return [batch(generated), batch(teacher), batch(fake)] as const;
    };
    const options = (): SidLossOptions => ({
      ...given,
      level: golden.levels[golden.sid.level] as NoiseLevel,
      ...(invalid === null ? {} : { valid: tensor1d([1, 1, 1].with(invalid, 0)) }),
    });

    test("value and gradients", () =>
      free(() => {
        const [generated, teacher, fake] = inputs();
        const all = options();
        expectClose(sidLoss({ generated, teacher, fake }, all), [value], 1e-5);
        const loss = (x: Tensor, y: Tensor, z: Tensor) => sidLoss({ generated: x, teacher: y, fake: z }, all);
        const tape = vjp(loss as (...all: Tensor[]) => Tensor, [generated, teacher, fake], tensor(1));
        const closed = sidCotangents({ generated, teacher, fake }, all);
        for (const [i, name] of (["generated", "teacher", "fake"] as const).entries()) {
          expectClose(tape[i] as Tensor, gradients[name], 1e-5);
          expectClose(closed[name], gradients[name], 1e-5);
        }
      }));
  },
);

test.each(golden.fake.cases)("fakeScoreLoss in PyTorch: $predicts at $level levels, $reduction", (item) =>
  free(() => {
    const { prediction, generated, noise } = golden.fake.inputs;
    const rest = { generated: batch(generated), noise: batch(noise), level: golden.levels[item.level] as NoiseLevel };
    const { predicts, reduction } = item;
    const loss = (p: Tensor) => fakeScoreLoss({ prediction: p, ...rest }, { predicts, reduction });
    expectClose(loss(batch(prediction)), [item.value], 1e-5);
    expectClose(vjp(loss, [batch(prediction)], tensor(1))[0] as Tensor, item.gradient, 1e-5);
  }),
);

test("the golden file covers every choice", () => {
  expect(golden.sid.cases).toHaveLength(4 * 4 * 2 * 2);
  expect(golden.fake.cases).toHaveLength(3 * 5 * 2);
});
