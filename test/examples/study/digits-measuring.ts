/** What the digits' teacher is measured with in tests: few captions, few real pictures. */
import { randomStream } from "sid-lsg";
import { featureStatistics } from "sid-lsg/metrics";
import { world } from "../../../examples/digits/world";
import { loadJudge } from "../../../examples/text-to-image/judge";
import { type Group, judgeReal, type Measuring } from "../../../examples/text-to-image/measure";
import { sampleShape } from "../../../examples/text-to-image/picture-format";
import { groupNames } from "../../../examples/text-to-image/world";

const realPictures = 200;

/** On so many captions a group, whatever the command line says. */
export const prepareDigits = (captions: number) => async (): Promise<Measuring> => {
  const [judge, real] = [await loadJudge(world), world.loadPictures()];
  const none = { judge, real, sampleShape: sampleShape(world.pictures), groups: {} as Measuring["groups"] };
  const groups: [string, Group][] = [];
  for (const [i, name] of groupNames.entries()) {
    const stream = randomStream(i);
    const seen = world.drawScenes(name, realPictures, stream);
    const { features } = await judgeReal(none, { scenes: seen } as unknown as Group);
    const scenes = world.drawScenes(name, captions, stream);
    const reference = featureStatistics(features, judge.config.features);
    const texts = scenes.map((scene) => world.caption(scene, stream));
    groups.push([name, { scenes, captions: texts, reference, referenceFeatures: features }]);
  }
  return { ...none, groups: Object.fromEntries(groups) as Measuring["groups"] };
};
