// How it looks: dark, light or as the system says; comfortable or dense; `?wall` for a screen on the wall.
//
//   theme / useTheme()      "auto" | "dark" | "light"; nextTheme() goes round
//   density / useDensity()  "comfortable" | "dense"
//   isWall                  the address has ?wall: large type, no controls
//   colour("--up")          a token as the browser computes it now, for canvases that know no CSS

import { cell, useCell } from "./store.js";

const THEMES = ["auto", "dark", "light"];
const root = document.documentElement;
export const isWall = new URLSearchParams(location.search).has("wall");

function kept(name, usual) {
  try {
    return localStorage.getItem(name) ?? usual;
  } catch {
    return usual; // storage may be forbidden
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // it lasts as long as the page, then
  }
}

function remembered(name, usual) {
  const one = cell(kept(name, usual));
  const show = (value) => root.setAttribute(`data-${name}`, value);
  show(one.get());
  one.listen((value) => {
    show(value);
    keep(name, value);
  });
  return one;
}

export const theme = remembered("theme", "auto");
export const density = remembered("density", "comfortable");
root.toggleAttribute("data-wall", isWall);
export const useTheme = () => useCell(theme);
export const useDensity = () => useCell(density);
export const nextTheme = () => theme.set(THEMES[(THEMES.indexOf(theme.get()) + 1) % THEMES.length]);
matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => theme.get() === "auto" && (theme.set("dark"), theme.set("auto")));

export function colour(token) {
  const probe = document.createElement("i");
  probe.style.color = `var(${token})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
