/** The element of the page with that id, which must be of that type. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page lacks the element "${id}".`);
  return found;
}
