import { dispose, ones, type Rank, type Tensor, zeros, zerosLike } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { generatorMethod, teacherMethods } from "../../../examples/text-to-image/methods";
import { generatorFrom, type Unet } from "../../../src/models";
import { ddpmSchedule } from "../../../src/schedules";

const pictures = { size: 4, patch_size: 2, image_mean: 0, image_std: 1 };
const text = { encode: (captions: readonly string[]) => zeros<Rank.R3>([captions.length, 1, 1]) };

test("a generator of several passes draws with all of them, each with a noise of its own", () => {
  const inputs: number[] = [];
  const unet = {
    name: "counting",
    predicts: "x0",
    schedule: ddpmSchedule(),
    variables: [],
    predict(xt: Tensor) {
      inputs.push(...xt.dataSync());
      return zerosLike(xt);
    },
    dispose: () => {},
  } as unknown as Unet;
  const generator = generatorFrom(unet, { steps: 4, tInit: 999 });
  const { draw, networkPasses } = generatorMethod({ generator, text, pictures: { ...pictures, size: 2 } });
  const noise = ones([1, 1, 1, 12]);
  dispose([draw(["a"], noise), noise]);
  expect(networkPasses).toBe(4);
  expect(inputs).toHaveLength(4 * 12);
  expect(new Set(inputs.slice(0, 12)).size).toBe(1);
  expect(new Set(inputs).size).toBe(1 + 3 * 12);
});

test.each([0, 1, 1.5])("at a scale of %f each method says how often it asks the network for a picture", (scale) => {
  let asked = 0;
  const unet = {
    name: "counting",
    predicts: "eps",
    schedule: ddpmSchedule(),
    variables: [],
    predict(xt: Tensor) {
      asked += xt.shape[0] as number;
      return zerosLike(xt);
    },
    dispose: () => {},
  } as unknown as Unet;
  const counted = Object.values(teacherMethods({ unet, text, pictures }, scale)).map(({ draw, networkPasses }) => {
    asked = 0;
    const noise = zeros([3, 2, 2, 12]);
    const drawn = draw(["a", "b", "c"], noise);
    expect(drawn.shape).toEqual([3, 4, 4, 3]);
    dispose([noise, drawn]);
    return { networkPasses, asked: asked / 3 };
  });
  for (const { networkPasses, asked } of counted) expect(networkPasses).toBe(asked);
  expect(counted.map(({ networkPasses }) => networkPasses)).toEqual([50, scale === 1.5 ? 100 : 50, 1]);
});
