/** Elements, made in one go. */

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element with its attributes (`true` is the empty one, `false` none) and what it holds. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  element.append(...children);
  return element;
}

/** A button that does something. */
export function button(label: string, act: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const made = make("button", { type: "button", ...attributes }, label);
  made.addEventListener("click", act);
  return made;
}

let named = 0;

/** A name for an element that no other has. */
export function freshId(): string {
  named++;
  return `lab-${named}`;
}
