// Puts the page together, and draws when something has changed.

import { Channels } from "./channels.js";
import { flicker, listen, stop, swap } from "./keys.js";
import { Lost } from "./lost.js";
import { Planes } from "./planes.js";
import { Pointer } from "./pointer.js";
import { readout } from "./readout.js";
import { Sliders } from "./sliders.js";
import { Stage } from "./stage.js";
import { State } from "./state.js";
import { bytes, el, number } from "./text.js";
import { Tiles } from "./tiles.js";

const $ = (id) => document.getElementById(id);

async function start() {
  const answer = await fetch("info");
  const info = await answer.json();
  if (!answer.ok) return tell(info.problem);
  const state = new State(info);
  let due = false;
  const redraw = () => {
    if (!due) requestAnimationFrame(frame);
    due = true;
  };
  const tiles = new Tiles(redraw, tell);
  const stage = new Stage($("stage"), info, state, tiles);
  const sliders = new Sliders($("sliders"), info, state);
  const pointer = new Pointer(stage, state, redraw);
  const channels = new Channels($("channels"), info, state, (c) => seen(info, stage, tiles, c));
  let lost = null;
  if (info.original) {
    const planes = new Planes(info, () => lost?.show(), () => !tiles.idle);
    lost = new Lost($("lost"), info, state, planes);
  }
  $("lost").hidden = !lost;
  describe(info);
  modes(info, state);

  function frame(now) {
    due = false;
    const complete = stage.draw();
    const where = Object.entries(state.at).map(([axis, index]) => `${axis} ${index}`).join(" ");
    if (complete) settled(where);
    readout($("readout"), info, state, stage, tiles, pointer.place);
    sliders.tick(now, complete);
    if (state.playing) redraw();
  }

  let counted = "";
  let counting = 0;
  function settled(where) {
    const { level } = stage.view;
    $("stage").dataset.shown = where;
    for (const one of stage.shown) one.canvas.setAttribute("aria-label", `${one.kind}, ${where}`);
    const key = [where, level, state.visible, state.playing].join();
    if (key === counted || state.playing) return;
    counted = key;
    clearTimeout(counting);
    counting = setTimeout(() => channels.showHistograms(), 60);
  }

  state.subscribe((changed) => {
    if (changed.includes("mode")) stage.arrange();
    sliders.show();
    channels.show();
    lost?.show();
    showMode(state);
    delete $("stage").dataset.shown;
    redraw();
  });
  const help = $("help");
  $("open-help").addEventListener("click", () => help.showModal());
  listen({ info, state, stage, channels, sliders, lost, help });
  new ResizeObserver(() => {
    stage.fit();
    redraw();
  }).observe($("stage"));
  window.addEventListener("hashchange", () => {
    state.fromHash();
    state.set({ mode: state.mode });
  });
  lost?.show();
  showMode(state);
  redraw();
}

/** Tiles of a channel that are on the screen and here, of the decoded side or the original. */
function seen(info, stage, tiles, channel) {
  const kind = stage.shown.some((one) => one.kind === "decoded") ? "decoded" : "original";
  const { level } = stage.view;
  const [rows, columns] = info.levels[level].shape.map((n) => Math.ceil(n / info.side));
  const found = [];
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const tile = tiles.get(stage.key(kind, level, [r, c], channel));
      if (tile) found.push(tile);
    }
  }
  return found;
}

function describe(info) {
  document.title = `${info.name} – inif`;
  const shape = [...info.axes].map((axis, i) => `${axis} ${info.shape[i]}`).join(" × ");
  $("name").textContent = info.name;
  $("summary").textContent =
    `${shape}, ${info.dtype} · ${bytes(info.raw_bytes)} → ${bytes(info.file_bytes)} · ` +
    `${number(info.ratio)} : 1` + (info.original ? ` · against ${info.original.name}` : "");
  const rows = info.facts.map(([name, text]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, text)));
  $("facts").replaceChildren(...rows);
  $("remarks").replaceChildren(...info.remarks.map((text) => el("li", {}, text)));
}

function modes(info, state) {
  $("modes").hidden = !info.original;
  for (const input of $("modes").querySelectorAll("input")) {
    input.addEventListener("change", () => {
      stop(state);
      state.set({ mode: input.value });
    });
  }
  $("swap").addEventListener("click", () => swap(state));
  $("flicker").addEventListener("click", () => flicker(state));
}

function showMode(state) {
  for (const input of $("modes").querySelectorAll("input")) input.checked = input.value === state.mode;
  $("flicker").setAttribute("aria-pressed", Boolean(state.flickering));
}

/** Show what went wrong; null takes it away. */
function tell(text) {
  $("message").hidden = !text;
  if (text) $("message").textContent = text;
}

start().catch((error) => tell(`This page cannot be shown: ${error.message}`));
