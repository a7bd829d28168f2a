/** The element with that id, which must be of that type, in a page or a part of one. */
export function byId<T extends HTMLElement>(within: ParentNode, id: string, type: new () => T): T {
  const found = within.querySelector(`#${id}`);
  if (!(found instanceof type)) throw new Error(`The page lacks the element "${id}".`);
  return found;
}
