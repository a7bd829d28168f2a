import { gather, type Tensor, tensor, tensor1d, tidy, where } from "@tensorflow/tfjs-core";
import { valueAndGradients } from "../core/tape";
import { isDataUpdate } from "../methods/check-method";
import type { DataUpdate, Method } from "../methods/types";
import { type ContractCase, close, finite, same, take, type Values } from "./contract-case";
import { type Stage, stagesOf } from "./inputs";
import { batchOn, networksOn } from "./networks";

/** What is demanded of a method whose generator learns from real images, if it is one. */
export function dataCases(make: () => Method): ContractCase[] {
  if (!isDataUpdate(make().generator)) return [];
  const each = (name: string, demand: (at: Loss) => Promise<void>): ContractCase => ({
    name,
    async run() {
      const method = make();
      for (const stage of stagesOf(method)) await demand((...batch) => lossAt(method, stage, ...batch));
    },
  });
  return [
    each("its loss on images is finite and pure", async (at) => {
      const once = await at(all, []);
      finite("the loss on images", once);
      same("the loss on images, computed again,", await at(all, []), once);
    }),
    each("images that do not count reach neither loss nor gradients", async (at) => {
      same("with other numbers in an image that does not count", await at(all, [1], 2), await at(all, [1], 0));
    }),
    each("loss and gradients are means over the batch, of all images whether they count or not", async (at) => {
      for (const without of [[], [1]]) {
        const halves = [await at([0, 1], without), await at([2, 3], without)] as const;
        const mean = Object.entries(halves[0]).map(([name, values]) => {
          return [name, values.map((x, i) => (x + (halves[1][name]?.[i] as number)) / 2)];
        });
        close(
          "a batch of two halves, which must have their mean,",
          await at(all, without),
          Object.fromEntries(mean),
          1e-4,
        );
      }
    }),
  ];
}

/** The loss and all of its gradients, of some of four images; those `without` do not count and hold one number. */
type Loss = (images: readonly number[], without: readonly number[], value?: number) => Promise<Values>;

const all = [0, 1, 2, 3];

async function lossAt(
  method: Method,
  stage: Stage,
  images: readonly number[],
  without: readonly number[],
  value = 0,
): Promise<Values> {
  const made = networksOn(stage, 1);
  const { batch, dispose: free } = batchOn(method, stage, 1, "generator");
  const { generator, teacher, average } = made.networks;
  try {
    const result = tidy(() => {
      const counts = images.map((i) => !without.includes(i));
      const places = tensor1d([...images], "int32");
      const some = (x: Tensor) => gather(x, places);
      const put = (x: Tensor) => where(tensor(counts, [counts.length, 1], "bool"), some(x), value);
      const inputs = {
        ...{ generator, teacher, average, images: put(batch.images as Tensor), noise: put(batch.noise) },
        ...{ t: images.map((i) => batch.t[i] as number), uniforms: images.map((i) => batch.uniforms?.[i] as number) },
        ...{ valid: tensor1d(counts.map(Number)), cond: put(batch.imageCond as Tensor), uncond: batch.uncond },
      };
      const update = method.generator as DataUpdate;
      const { value: loss, gradients } = valueAndGradients(() => update.loss(inputs), generator.variables);
      return { loss, ...Object.fromEntries(gradients.map((g, i) => [`gradient ${i}`, g])) };
    });
    const { loss = [], ...gradients } = await take(result as Readonly<Record<string, Tensor>>);
    return { loss, gradients: Object.values(gradients).flat() };
  } finally {
    free();
    made.dispose();
  }
}
