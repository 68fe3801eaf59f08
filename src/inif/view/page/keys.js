// The keyboard, and the help that lists it.

import { panBy, zoomAt } from "./geometry.js";
import { el } from "./text.js";

const FLICKER = 500; // milliseconds for which each side is shown; slower than what may harm

/** Keys, what they do in words, and the deed; `only` where there is an original. */
function deeds({ info, state, stage, channels, sliders, lost, help }) {
  const step = (which, by) => () => {
    const axis = state.axis(which);
    if (axis) state.go(axis, state.at[axis] + by);
  };
  const end = (which, last) => () => {
    const axis = state.axis(which);
    if (axis) state.go(axis, last ? info.sliders.find((s) => s.axis === axis).size - 1 : 0);
  };
  const zoom = (factor) => () => state.set(zoomAt(stage.view, info, factor));
  const mode = (name) => () => state.set({ mode: name });
  const [first, second] = [state.axis(0), state.axis(1)];
  const part = stage.view.height / 8;
  const pan = (down, right) => () => state.set(panBy(stage.view, info, down * part, right * part));
  const found = [];
  if (first) {
    found.push(
      [["ArrowLeft", "ArrowRight"], `Previous, next plane along ${first}`, step(0, -1), step(0, 1)],
      [["PageUp", "PageDown"], "Ten planes back, on", step(0, -10), step(0, 10)],
      [["Home", "End"], "First, last plane", end(0, false), end(0, true)],
      [[" "], `Play along ${first}, stop`, () => sliders.play(first)],
    );
  }
  if (second) {
    found.push([["ArrowUp", "ArrowDown"], `Previous, next plane along ${second}`, step(1, -1), step(1, 1)]);
  }
  if (info.original) {
    found.push(
      [["d", "o"], "Decoded, original", mode("decoded"), mode("original")],
      [["f"], "Flicker: swap decoded and original", () => swap(state)],
      [["Shift+F"], "Let it flicker by itself, stop", () => flicker(state)],
      [["s"], "Original and decoded side by side", mode("side")],
      [["e"], "Error map", mode("error")],
      [["a"], "Original, decoded and error map", mode("all")],
      [["w"], "The worst plane; again: the next one", () => lost.goTo()],
    );
  }
  found.push(
    [["+", "-"], "Zoom in, out (wheel)", zoom(1.5), zoom(1 / 1.5)],
    [["0", "1"], "Fit the window, one pixel for each sample", () => state.set({ zoom: 0, center: null }), () => state.set({ zoom: 1 })],
    [["Shift+ArrowLeft", "Shift+ArrowRight"], "Move the picture (drag)", pan(0, 1), pan(0, -1)],
    [["Shift+ArrowUp", "Shift+ArrowDown"], "Move the picture", pan(1, 0), pan(-1, 0)],
    [["l"], "Limits from this plane", () => channels.auto(state.visible)],
    [["?"], "This help", () => help.showModal()],
  );
  return found;
}

export function listen(parts) {
  const { help, state } = parts;
  const list = deeds(parts);
  const byKey = new Map(list.flatMap(([keys, , ...acts]) => keys.map((key, i) => [key, acts[i]])));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const shifted = event.shiftKey && event.key.length > 1;
    const letter = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const name = event.shiftKey && (shifted || event.key === "F") ? `Shift+${event.key}` : letter;
    const act = byKey.get(name === "=" ? "+" : name);
    if (!act || taken(event.target, event.key)) return;
    if (event.repeat && /^[a-z ]$/i.test(event.key)) return;
    event.preventDefault();
    if (event.key.toLowerCase() !== "f") stop(state);
    act();
  });
  const rows = list.map(([keys, text]) => {
    const caps = keys.flatMap((key, i) => [...(i ? [" "] : []), el("kbd", {}, shown(key))]);
    return el("tr", {}, el("td", {}, ...caps), el("td", {}, text));
  });
  const wheel = [el("kbd", {}, "Shift"), " ", el("kbd", {}, "wheel")];
  if (state.axis(0)) {
    rows.push(el("tr", {}, el("td", {}, ...wheel), el("td", {}, `Planes along ${state.axis(0)}`)));
  }
  help.querySelector("table").replaceChildren(...rows);
}

/** Show the other side in the same place. */
export function swap(state) {
  state.set({ mode: state.mode === "decoded" ? "original" : "decoded" });
}

/** Swap again and again; the second call ends it. */
export function flicker(state) {
  if (state.flickering) return stop(state);
  swap(state);
  state.set({ flickering: setInterval(() => swap(state), FLICKER) });
}

export function stop(state) {
  if (!state.flickering) return;
  clearInterval(state.flickering);
  state.set({ flickering: null });
}

/** Whether the focused element needs this key itself. */
function taken(target, key) {
  if (target.tagName === "INPUT") {
    if (target.type === "range") return /^(Arrow|Page|Home|End)/.test(key);
    if (target.type === "checkbox" || target.type === "radio") return key === " " || key.startsWith("Arrow");
    return true;
  }
  return ["BUTTON", "SUMMARY"].includes(target.tagName) && (key === " " || key === "Enter");
}

function shown(key) {
  const names = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space" };
  const parts = key.startsWith("Shift+") ? ["Shift", key.slice(6)] : [key];
  return parts.map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part)).join(" ");
}
