import { type Networks, networksOf, train, type Workplace } from "../plane/distillation";
import type { PlaneMethod } from "../plane/methods";
import { countPasses, type PassCounter } from "./passes";

type Place = Pick<Workplace, "world" | "student" | "seed"> & { readonly batch: number };

/** Both halves of an update on one tape: nothing runs forwards twice. */
export const backward = "joint";

/** How many iterations a method can afford: it is tried out until its cost is known, in which the batch plays no part. */
export async function affordable(entry: PlaneMethod, place: Place, passes: number): Promise<number> {
  const costs = await costsOf(entry, place);
  const last = costs.slice(-20);
  const later = last.reduce((a, b) => a + b, 0) / last.length;
  let spent = 0;
  for (const [i, cost] of costs.entries()) {
    spent += cost;
    if (spent > passes) return Math.max(1, i);
  }
  return costs.length + Math.floor((passes - spent) / later);
}

/** Passes of the first iterations, per sample of the batch. */
async function costsOf(entry: PlaneMethod, place: Place): Promise<number[]> {
  const { startsAt = 0, adversarialStartsAt = startsAt } = entry.method.settings as Readonly<Record<string, number>>;
  const waits = Math.ceil(Math.max(startsAt, adversarialStartsAt) / place.batch);
  const batch = waits > 0 ? place.batch : 4;
  const iterations = waits + (entry.method.steps === "random" ? 200 : 20) + 1;
  const counter = countPasses();
  const networks = countedNetworks(entry, place, counter);
  const spent: number[] = [];
  try {
    await train(entry, networks, {
      ...{ world: countedWorld(place.world, counter), seed: place.seed, batch, iterations, backward },
      onMetrics: () => void spent.push(counter.samples() / batch),
    });
  } finally {
    for (const network of Object.values(networks)) network?.dispose();
  }
  return spent.slice(1).map((sum, i) => sum - (spent[i] as number));
}

/** A method's networks, counted. */
export function countedNetworks(entry: PlaneMethod, place: Place, counter: PassCounter): Networks {
  const networks = networksOf(entry, place, counter.network);
  return { ...networks, discriminator: networks.discriminator && counter.discriminator(networks.discriminator) };
}

/** A world whose teacher is counted. */
export function countedWorld(world: Workplace["world"], counter: PassCounter): Workplace["world"] {
  return { ...world, teacher: { ...world.teacher, ...counter.network(world.teacher) } };
}
