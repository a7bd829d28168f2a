import { type Tensor, tidy } from "@tensorflow/tfjs-core";
import { randomStream } from "../core/random";
import type { GeneratorUpdate, Method } from "../methods/types";
import { type ContractCase, close, fail, finite, leaves, same, take, type Values } from "./contract-case";
import { changed, cotangentsAt, cut, given, type Inputs, inputsOf, type Stage, spoiled, stagesOf } from "./inputs";

/** What the suite is told of a method's loss. */
export interface LossProperties {
  readonly slopes: readonly string[];
  readonly mixesSamples: boolean;
}

/** Both forms of samples: vectors and images. */
const shapes = [[3], [2, 2, 2]] as const;

/** What is demanded of the equation of a method whose generator learns from networks' answers. */
export function cotangentsCases(make: () => Method, properties: LossProperties): ContractCase[] {
  /** A case for each schedule that the method has laws for. */
  const each = (name: string, demand: (update: GeneratorUpdate, stage: Stage, method: Method) => Promise<void>) => ({
    name,
    async run() {
      const method = make();
      for (const stage of stagesOf(method)) await demand(method.generator as GeneratorUpdate, stage, method);
    },
  });
  return [
    each("cotangents gives a loss and finite gradients of the right shapes, and leaves nothing else", shapesAndTensors),
    each("cotangents is pure, and a method made alike has the same", async (update, stage, method) => {
      const inputs = inputsOf(method, stage);
      const once = await cotangentsAt(update, inputs, stage);
      same("the cotangents, computed again,", await cotangentsAt(update, inputs, stage), once);
      const alike = make().generator as GeneratorUpdate;
      same("the cotangents of another object", await cotangentsAt(alike, inputs, stage), once);
    }),
    each("samples that do not count reach neither loss nor gradients, not even as NaN", notCounting),
    each(
      properties.mixesSamples
        ? "the order of the samples changes nothing"
        : "loss and gradients are means over the batch, of all samples whether they count or not",
      properties.mixesSamples ? orderOfSamples : meanOverBatch,
    ),
    ...properties.slopes.map((name) =>
      each(`the cotangent of ${name} is the slope of the loss`, (update, stage, method) =>
        slopeOfLoss(update, stage, inputsOf(method, stage), name),
      ),
    ),
  ];
}

/** The cases of a method some of whose questions begin later. */
export function laterCases(make: () => Method): ContractCase[] {
  const { generator } = make();
  if (!("asks" in generator)) return [];
  const begin = generator.startsAt ?? 0;
  const later = Object.entries(generator.asks).filter(([, { startsAt = 0 }]) => startsAt > begin);
  if (later.length === 0) return [];
  return [
    {
      name: "cotangents does without the answers that begin later",
      async run() {
        const method = make();
        for (const stage of stagesOf(method)) {
          const inputs = inputsOf(method, stage);
          const names = Object.keys(inputs.tensors).filter((name) => !later.some(([absent]) => absent === name));
          const early = Object.fromEntries(names.map((name) => [name, inputs.tensors[name]])) as Inputs["tensors"];
          const got = await cotangentsAt(
            method.generator as GeneratorUpdate,
            { ...inputs, tensors: early },
            stage,
            begin,
          );
          finite("before the later answers", got);
          const surplus = later.find(([name]) => name in got);
          if (surplus) fail(`before ${surplus[0]} is asked, there can be no cotangent of it.`);
        }
      },
    },
  ];
}

async function shapesAndTensors(update: GeneratorUpdate, stage: Stage, method: Method): Promise<void> {
  for (const shape of shapes) {
    const made: Record<string, Tensor | undefined> = {};
    tidy(() => {
      const { answers, circumstances } = given(inputsOf(method, stage, shape), stage);
      const count = (result: object) => Object.values(result).filter((x) => x !== undefined).length;
      const result = leaves(
        "cotangents, which returns its loss and gradients,",
        count,
        () => update.cotangents(answers, circumstances) as Record<string, Tensor | undefined>,
      );
      for (const [name, x] of Object.entries(result)) {
        if (x === undefined) continue;
        const wanted = name === "loss" ? [] : (answers as Record<string, Tensor>)[name]?.shape;
        if (name !== "loss" && name !== "generated" && !update.asks[name]?.gradient)
          fail(`cotangents: there is one of ${name}, which is no question with gradient: true.`);
        if (x.shape.join() !== wanted?.join() || x.dtype !== "float32")
          fail(`cotangents: ${name} must be float32 [${wanted}], got ${x.dtype} [${x.shape}].`);
        if (Object.values(answers).includes(x)) fail(`cotangents: ${name} must be a tensor of its own, not an input.`);
      }
      const gone = Object.entries(answers).find(([, x]) => x.isDisposed);
      if (gone) fail(`cotangents disposed of ${gone[0]}, which it only borrows.`);
      if (result["loss"] === undefined) fail("cotangents: there is no loss.");
      Object.assign(made, result);
      return Object.values(result).filter((x) => x !== undefined);
    });
    finite("cotangents", await take(made));
  }
}

async function notCounting(update: GeneratorUpdate, stage: Stage, method: Method): Promise<void> {
  const inputs = inputsOf(method, stage);
  const at = 1;
  const wanted = await cotangentsAt(update, spoiled(inputs, at, 0.5), stage);
  finite("with a sample that does not count", wanted);
  for (const value of [2, Number.NaN, Number.POSITIVE_INFINITY]) {
    const where = `with ${value} in a sample that does not count`;
    const got = await cotangentsAt(update, spoiled(inputs, at, value), stage);
    same(where, got, wanted);
    const rows = rowsOf(got, inputs.t.length);
    for (const [name, all] of Object.entries(rows))
      if (all[at]?.some((x) => x !== 0)) fail(`${where}: its own row of ${name} must be zeros, got [${all[at]}].`);
  }
}

async function meanOverBatch(update: GeneratorUpdate, stage: Stage, method: Method): Promise<void> {
  const all = inputsOf(method, stage);
  const half = all.t.length / 2;
  for (const batch of [all, { ...all, valid: all.valid.map((_, i) => Number(i !== 1)) }]) {
    const whole = await cotangentsAt(update, batch, stage);
    const [one, other] = [
      await cotangentsAt(update, cut(batch, 0, half), stage),
      await cotangentsAt(update, cut(batch, half, 2 * half), stage),
    ];
    const joined = Object.entries(one).map(([name, values]): [string, number[]] => {
      const others = other[name] as readonly number[];
      const both = name === "loss" ? [(values[0] as number) + (others[0] as number)] : [...values, ...others];
      return [name, both.map((x) => x / 2)];
    });
    close("a batch of two halves, which must have their mean,", whole, Object.fromEntries(joined), 1e-5);
  }
}

async function orderOfSamples(update: GeneratorUpdate, stage: Stage, method: Method): Promise<void> {
  const inputs = inputsOf(method, stage);
  const reverse = (rows: readonly number[][]): readonly number[][] => [...rows].reverse();
  const tensors = Object.keys(inputs.tensors).reduce((batch, name) => changed(batch, name, reverse), inputs);
  const turned = { ...tensors, t: [...inputs.t].reverse() };
  const once = await cotangentsAt(update, inputs, stage);
  const other = await cotangentsAt(update, turned, stage);
  const back = Object.entries(rowsOf(other, inputs.t.length)).map(([name, rows]) => [name, reverse(rows).flat()]);
  const { loss = [] } = other;
  close("the same samples in another order", { ...Object.fromEntries(back), loss }, once, 1e-5);
}

/** Central differences along one direction, extrapolated. */
async function slopeOfLoss(update: GeneratorUpdate, stage: Stage, inputs: Inputs, name: string): Promise<void> {
  const stream = randomStream(11);
  const size = inputs.tensors[name]?.rows[0]?.length ?? fail(`slopes: there is no "${name}" to differentiate in.`);
  const direction = inputs.t.map(() => [...stream.normals(size)]);
  const lossAt = async (h: number) => {
    const moved = changed(inputs, name, (rows) =>
      rows.map((row, i) => row.map((x, j) => x + h * (direction[i]?.[j] as number))),
    );
    return (await cotangentsAt(update, moved, stage))["loss"]?.[0] as number;
  };
  const central = async (h: number) => ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
  const h = 2 ** -5;
  const slope = (4 * (await central(h / 2)) - (await central(h))) / 3;
  const { [name]: gradient = fail(`slopes: there is no cotangent of ${name}.`), loss } = await cotangentsAt(
    update,
    inputs,
    stage,
  );
  const flat = direction.flat();
  const found = gradient.reduce((sum, x, i) => sum + x * (flat[i] as number), 0);
  const bound = 1e-3 * Math.hypot(...gradient) * Math.hypot(...flat) + (1e-6 * Math.abs(loss?.[0] as number)) / h;
  if (!(Math.abs(found - slope) <= bound))
    fail(`the slope of the loss in ${name} is ${slope}, but its cotangent says ${found} (allowed ±${bound}).`);
}

/** Each sample's part of the gradients. */
function rowsOf(values: Values, count: number): Readonly<Record<string, readonly number[][]>> {
  const gradients = Object.entries(values).filter(([name]) => name !== "loss");
  return Object.fromEntries(
    gradients.map(([name, all]) => {
      const size = all.length / count;
      return [name, Array.from({ length: count }, (_, i) => all.slice(i * size, (i + 1) * size))];
    }),
  );
}
