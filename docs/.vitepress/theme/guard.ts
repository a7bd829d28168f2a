/** Asks a part of the page before the site's router leaves it. */
import type { Router } from "vitepress";

/** What a part's guard needs of the browser. */
export interface Surroundings {
  /** The address as it is now: path, query and fragment. */
  readonly address: () => string;
  /** Puts an address into the browser's bar, as a new entry of its history. */
  readonly putBack: (address: string) => void;
}

type Hooks = Pick<Router, "onBeforeRouteChange" | "onBeforePageLoad">;

/**
 * Links and the search ask before the address changes, back and forward after it: the address of a refused one is put back.
 * Returns what ends it.
 */
export function guard(router: Hooks, mayLeave: () => boolean, { address, putBack }: Surroundings): () => void {
  const pathOf = (href: string) => new URL(href, "http://host").pathname;
  const own = address();
  const before = { ...router };
  /** Asked for already, by a link: it comes again when its page is loaded. */
  let allowed: string | undefined;
  const leaves = (href: string) => pathOf(href) !== pathOf(own);
  router.onBeforeRouteChange = async (href) => {
    if (leaves(href) && !mayLeave()) return false;
    allowed = href;
    return before.onBeforeRouteChange?.(href);
  };
  router.onBeforePageLoad = async (href) => {
    if (leaves(href) && href !== allowed && !mayLeave()) {
      putBack(own);
      return false;
    }
    return before.onBeforePageLoad?.(href);
  };
  return () => {
    for (const name of ["onBeforeRouteChange", "onBeforePageLoad"] as const)
      if (before[name]) router[name] = before[name];
      else delete router[name];
  };
}
