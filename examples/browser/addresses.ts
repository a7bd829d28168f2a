/** Where the page's files lie that are no scripts. */

/** The address of the folder in which `wasm/` lies, and of the one with models and pictures, where that is another. */
export interface Place {
  readonly site: string;
  /** @defaultValue `emoji/` in the site's folder */
  readonly files?: string;
}

/** Both, absolute. */
export function addressesOf({ site, files = "emoji/" }: Place): { readonly wasm: string; readonly files: string } {
  return { wasm: new URL("wasm/", site).href, files: new URL(files, site).href };
}
