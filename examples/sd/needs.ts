import type { Method } from "sid-lsg";

/** What a method cannot do without, beside teacher and generator. */
export function needsOf({ generator, fakeScore }: Method) {
  const ofData = "loss" in generator;
  const discriminator = fakeScore?.discriminator !== undefined;
  return {
    fakeScore: fakeScore !== undefined,
    discriminator,
    /** Real images, for the discriminator or for the generator itself. */
    images: ofData || discriminator,
    /** The generator's moving average. */
    average: ofData,
  };
}
