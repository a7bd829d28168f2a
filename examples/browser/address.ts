/** What the page's address holds after its #: `#caption=a+blue+fox&seed=3`, so that a link draws the same pictures. */
export interface Wish {
  readonly caption: string;
  /** As it stands in its field: the worker refuses what is no seed. */
  readonly seed: string;
}

/** What the address asks for; what it leaves out is the default's. */
export function readAddress(hash: string, defaults: Wish): Wish {
  const asked = new URLSearchParams(hash.replace(/^#/, ""));
  return { caption: asked.get("caption") ?? defaults.caption, seed: asked.get("seed") ?? defaults.seed };
}

/** The part of the address that asks for it. */
export function addressOf({ caption, seed }: Wish): string {
  return `#${new URLSearchParams({ caption, seed })}`;
}
