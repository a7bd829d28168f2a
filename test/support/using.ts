import type { Discriminator } from "../../src/models";

/** Runs a body with a discriminator, disposed of afterwards. */
export async function using(discriminator: Discriminator, body: (d: Discriminator) => unknown): Promise<void> {
  try {
    await body(discriminator);
  } finally {
    discriminator.dispose();
  }
}
