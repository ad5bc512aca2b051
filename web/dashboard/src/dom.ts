/* Small helpers around the document. Text is only ever set as text. */

type Attributes = Record<string, string | number | boolean>;

export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  setAll(made, attributes);
  made.append(...children);
  return made;
}

export function svg(tag: string, attributes: Attributes, ...children: (Node | string)[]): Element {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAll(made, attributes);
  made.append(...children);
  return made;
}

function setAll(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes))
    if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
}

export function byId<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`no #${id} in the page`);
  return found as T;
}

/* Touches the document only when that changes something. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

let clearing = 0;

/* A word about what was done, for eyes and screen readers. */
export function say(text: string): void {
  const said = byId("said");
  said.textContent = text;
  window.clearTimeout(clearing);
  clearing = window.setTimeout(() => {
    said.textContent = "";
  }, 8000);
}
