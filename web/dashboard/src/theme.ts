import { byId } from "./dom";

/* Light, dark, or what the system says. */

const KEY = "culvert-theme";
const ORDER = ["system", "light", "dark"] as const;
type Theme = (typeof ORDER)[number];

function chosen(): Theme {
  return ORDER.find((theme) => theme === localStorage.getItem(KEY)) ?? "system";
}

/* Calls @changed when colours do. */
export function startTheme(changed: () => void): void {
  const button = byId("theme");
  const apply = (theme: Theme): void => {
    document.documentElement.dataset.theme = theme;
    button.textContent = `Theme: ${theme}`;
    changed();
  };
  button.addEventListener("click", () => {
    const next = ORDER[(ORDER.indexOf(chosen()) + 1) % ORDER.length] ?? "system";
    localStorage.setItem(KEY, next);
    apply(next);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  apply(chosen());
}

/* A colour of the style sheet as a canvas takes it. */
export function colour(name: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
