import { needsOf } from "./needs";
import type { DistillSettings } from "./options";
import { settingText } from "./usage";

/** What a run does, in a few lines: the method with its settings, the optimisers, the networks. */
export function describeRun({ name, method, recipe, generator, ...rest }: DistillSettings): string {
  const { fakeScore, average } = needsOf(method);
  const { learningRate, fakeLearningRate, adam, batch } = recipe;
  const { weightDecay = method.recipe?.weightDecay, clipNorm = method.recipe?.clipNorm, beta1, beta2 } = adam;
  const { fakeClipValue } = method.recipe ?? {};
  const settings = Object.entries(method.settings)
    .filter(([, value]) => value !== "default")
    .map(([option, value]) => `${option} ${settingText(value)}`);
  const rates = fakeScore ? `generator ${learningRate}, fake score ${fakeLearningRate}` : `generator ${learningRate}`;
  const optimizer = [
    `batch ${batch}`,
    `learning rate ${rates}`,
    `Adam (${beta1}, ${beta2})`,
    weightDecay && `decay ${weightDecay}`,
    clipNorm && `gradients to a norm of ${clipNorm}`,
    fakeScore && fakeClipValue && `the fake score's to ±${fakeClipValue}`,
  ];
  const { steps, tInit, gradientThrough } = generator;
  const passes =
    steps === 1 ? `one pass at t = ${tInit}` : `${steps} passes from t = ${tInit}, gradient through ${gradientThrough}`;
  const ofLora = (adapted: boolean) => (adapted ? " (an adapter)" : "");
  const networks = [
    "teacher",
    `generator${ofLora(rest.lora?.networks === "both")}`,
    fakeScore && `fake score${ofLora(rest.lora !== undefined)}`,
    (average || rest.emaHalfLife > 0) && "the generator's average",
    rest.discriminator && discriminators[rest.discriminator],
  ];
  const listed = (parts: readonly unknown[]) => parts.filter(Boolean).join(", ");
  return [
    `Method: ${name} (${settings.join(", ")}).`,
    `Recipe: ${listed(optimizer)}; ${passes}.`,
    `Networks: ${listed(networks)}.`,
  ].join("\n");
}

const discriminators = {
  bottleneck: "a discriminator on the fake score's middle, without weights",
  "fake-score": "a discriminator, a head on the fake score's middle",
  teacher: "a discriminator, a head on the teacher's middle",
} as const;
