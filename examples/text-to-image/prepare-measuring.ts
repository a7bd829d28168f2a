import { loadJudge } from "./judge";
import { type Group, type Measuring, prepareGroup } from "./measure";
import { sampleShape } from "./picture-format";
import { type GroupName, groupNames, type World } from "./world";

/** Loads all that measuring needs; the groups hold `count` captions each, the same ones in every run. */
export async function prepareMeasuring(world: World, count: number): Promise<Measuring> {
  const loaded = { judge: await loadJudge(world), real: world.loadPictures() };
  const groups: Partial<Record<GroupName, Group>> = {};
  for (const name of groupNames) groups[name] = await prepareGroup(world, loaded, name, count);
  return { ...loaded, sampleShape: sampleShape(world.pictures), groups: groups as Measuring["groups"] };
}
