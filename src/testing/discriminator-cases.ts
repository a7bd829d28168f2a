import { memory, scalar, type Tensor, tensor1d, tidy } from "@tensorflow/tfjs-core";
import { randomStream } from "../core/random";
import { vjp } from "../core/tape";
import type { DiscriminatorUpdate, Method } from "../methods/types";
import { noiseLevel } from "../predict/level";
import { type ContractCase, close, fail, finite, same, take, type Values } from "./contract-case";
import { momentOn, type Stage, stagesOf } from "./inputs";

/** A sample's logits: on a noisy sample, and on a noisy real image. */
type Logits = readonly [generated: number, real: number];

/** What is demanded of the loss of a method's discriminator, if it has one: the same as of the generator's. */
export function discriminatorCases(make: () => Method): ContractCase[] {
  if (make().fakeScore?.discriminator === undefined) return [];
  return [
    {
      name: "its discriminator's loss is a finite mean over the batch, which samples that do not count do not reach",
      async run() {
        const method = make();
        for (const stage of stagesOf(method)) {
          const update = method.fakeScore?.discriminator as DiscriminatorUpdate;
          const [time] = method.generator.timesteps(randomStream(1), 1, momentOn(stage)) as [number];
          await demand((rows, valid) => lossAt(update, stage, time, rows, valid));
        }
      },
    },
  ];
}

const where = "the discriminator's loss";

async function demand(at: (rows: readonly Logits[], valid: readonly number[]) => Promise<Values>): Promise<void> {
  const [a, b, c] = [
    [0.5, -1],
    [-2, 0.3],
    [1.5, 2],
  ] as const;
  const wanted = await at([a, c, b], [1, 0, 1]);
  finite(where, wanted);
  for (const bad of [-3, Number.NaN, Number.POSITIVE_INFINITY])
    same(`${where}, with ${bad} in a sample that does not count,`, await at([a, [bad, bad], b], [1, 0, 1]), wanted);
  const each = [await at([a], [1]), await at([b], [1]), await at([c], [1])];
  const mean = each.reduce((sum, { loss }) => sum + (loss?.[0] as number) / 3, 0);
  const { loss = [] } = await at([a, b, c], [1, 1, 1]);
  close(`${where}, a mean over the batch,`, { loss }, { loss: [mean] }, 1e-5);
}

/** The loss and its gradient in both logits. */
function lossAt(
  update: DiscriminatorUpdate,
  stage: Stage,
  time: number,
  rows: readonly Logits[],
  valid: readonly number[],
): Promise<Values> {
  const t = rows.map(() => time);
  const made = tidy(() => {
    const [generated, real] = [0, 1].map((i) => tensor1d(rows.map((row) => row[i] as number))) as [Tensor, Tensor];
    const circumstances = {
      ...{ level: noiseLevel(stage.schedule, t), t, moment: momentOn(stage), valid: tensor1d([...valid]) },
    };
    const before = memory().numTensors;
    const loss = update.loss({ generated, real }, circumstances);
    const left = memory().numTensors - before;
    if (left !== 1 || loss.rank !== 0) fail(`${where} must be one scalar, got [${loss.shape}] and ${left} tensors.`);
    const gradients = vjp(
      (x, y) => update.loss({ generated: x, real: y } as never, circumstances),
      [generated, real],
      scalar(1),
    );
    return { loss, generated: gradients[0] as Tensor, real: gradients[1] as Tensor };
  });
  return take(made);
}
