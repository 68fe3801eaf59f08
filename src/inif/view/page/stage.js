// The panels with the pictures: what they need, how it is drawn, scale bar and colour bar.

import { look, pixelAspect, tilesOf, toScreen } from "./geometry.js";
import { ERROR_COLORS, paintError, paintSamples } from "./paint.js";
import { PANELS } from "./state.js";
import { channelName, el, number, quantity, round125, signed } from "./text.js";
import { tileKey } from "./tiles.js";

export const TITLES = { original: "Original", decoded: "Decoded", error: "Error" };

const PAINTED = 64; // tiles as pictures that are kept
const GAP = 2; // pixels between panels, as in the style sheet
const AHEAD = 32; // tiles of the next planes that are loaded before they are asked for

export class Stage {
  constructor(root, info, state, tiles) {
    Object.assign(this, { root, info, state, tiles });
    this.painted = new Map(); // "kind/level/row/column" → {canvas, look}
    this.panels = {};
    for (const kind of info.original ? ["original", "decoded", "error"] : ["decoded"]) {
      this.panels[kind] = panel(kind);
      root.append(this.panels[kind].figure);
    }
    if (this.panels.error) paintBar(this.panels.error.ramp);
    this.arrange();
  }

  /** Panels that are shown, from left to right. */
  get shown() {
    return PANELS[this.state.mode].map((kind) => this.panels[kind]);
  }

  /** Show the panels of the mode. */
  arrange() {
    const shown = this.shown;
    for (const one of Object.values(this.panels)) {
      one.figure.hidden = !shown.includes(one);
      if (one.figure.hidden) one.seen = null;
    }
    this.fit();
  }

  /** Put the panels beside or below each other, so that the planes are as large as can be. */
  fit() {
    const [rows, columns] = this.info.levels[0].shape;
    const height = rows * pixelAspect(this.info);
    const count = this.shown.length;
    const { clientWidth, clientHeight } = this.root;
    let best = [0, count];
    for (let across = count; across >= 1; across--) {
      const down = Math.ceil(count / across);
      const zoom = Math.min(clientWidth / across / columns, clientHeight / down / height);
      if (zoom > 1.15 * best[0]) best = [zoom, across];
    }
    const width = Math.floor((clientWidth - GAP * (best[1] - 1)) / best[1]);
    this.root.style.gridTemplateColumns = `repeat(${best[1]}, ${width}px)`;
  }

  /** What the panels show now. */
  get view() {
    const { clientWidth, clientHeight } = this.shown[0].canvas;
    return look(this.state, this.info, { width: clientWidth, height: clientHeight });
  }

  /** Channels that a panel of some kind shows. */
  channels(kind) {
    return kind === "error" ? [this.state.active] : this.state.visible;
  }

  /** The request of one channel of a tile; `place` is its [row, column]. */
  key(kind, level, [row, column], channel, at = this.state.at) {
    return tileKey(this.info.slots, kind, level, row, column, channel, at);
  }

  keys(kind, level, place, at = this.state.at) {
    return this.channels(kind).map((channel) => this.key(kind, level, place, channel, at));
  }

  /** Requests for what is seen, then for what may be seen next. */
  wanted(view) {
    const { info, state } = this;
    const kinds = PANELS[state.mode];
    const places = tilesOf(view, info, view.level);
    const at = (level, list, kind, where) => list.flatMap((p) => this.keys(kind, level, p, where));
    const now = kinds.flatMap((kind) => at(view.level, places, kind));
    const keys = [...now];
    if (view.level > 0 || places.length > 1) {
      const top = info.levels.length - 1; // something to see until the rest is here
      const quick = info.original ? "quick" : "decoded";
      if (kinds.includes("decoded") && !now.every((key) => this.tiles.has(key))) {
        keys.unshift(...at(top, tilesOf(view, info, top), quick));
      }
    }
    if (now.length > AHEAD) return keys;
    const others = Object.keys(this.panels).filter((kind) => !kinds.includes(kind));
    const next = this.neighbours().map((where) => kinds.flatMap((k) => at(view.level, places, k, where)));
    const calm = others.flatMap((kind) => at(view.level, places, kind));
    if (next.length) keys.push(...next[0]);
    if (!state.playing) keys.push(...calm);
    for (const more of next.slice(1)) if (keys.length < 3 * AHEAD) keys.push(...more);
    return keys;
  }

  /** Where the planes are that may be seen next. */
  neighbours() {
    const { state, info } = this;
    const axis = state.playing ?? state.moved?.axis ?? state.axis(0);
    if (!axis) return [];
    const size = info.sliders.find((s) => s.axis === axis).size;
    const by = state.playing ? 1 : state.moved?.axis === axis ? state.moved.by : 1;
    const steps = state.playing ? [1, 2, 3] : [by, -by, 2 * by];
    return steps
      .map((step) => ({ ...state.at, [axis]: state.at[axis] + step }))
      .map((at) => (state.playing ? { ...at, [axis]: at[axis] % size } : at))
      .filter((at) => at[axis] >= 0 && at[axis] < size);
  }

  /** Draw all panels; true when nothing is missing. */
  draw() {
    const view = this.view;
    this.tiles.want(this.wanted(view));
    let complete = true;
    for (const one of this.shown) {
      one.complete = this.drawPanel(one, view);
      complete &&= one.complete;
      one.figure.classList.toggle("waiting", !one.complete);
    }
    this.drawScale(view);
    return complete;
  }

  drawPanel(one, view) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [view.width, view.height].map((n) => Math.round(n * ratio));
    const { canvas, context, kind } = one;
    const seen = [view.row, view.column, view.zoomX, width, height].join();
    if (seen !== one.seen) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      context.clearRect(0, 0, width, height);
      one.seen = seen;
    }
    const places = tilesOf(view, this.info, view.level);
    const found = places.map((place) => [place, this.picture(kind, view.level, place)]);
    const complete = found.length > 0 && found.every(([, picture]) => picture);
    if (!complete) this.drawInstead(one, view, ratio);
    for (const [place, picture] of found) {
      if (picture) this.put(context, picture, view, view.level, place, ratio);
    }
    return complete;
  }

  /** What other levels have of this plane, coarse ones first, until the right tiles are here. */
  drawInstead({ context, kind }, view, ratio) {
    const kinds = kind === "decoded" && this.info.original ? ["quick", kind] : [kind];
    for (let level = this.info.levels.length - 1; level >= 0; level--) {
      const places = tilesOf(view, this.info, level);
      if (places.length > AHEAD) break;
      for (const place of places) {
        for (const one of kinds) {
          const picture = this.picture(one, level, place);
          if (picture) this.put(context, picture, view, level, place, ratio);
        }
      }
    }
  }

  /** Draw a tile; where samples are larger than pixels, their edges are sharp. */
  put(context, picture, view, level, [row, column], ratio) {
    const { step } = this.info.levels[level];
    const side = this.info.side * step;
    const first = toScreen(view, row * side, column * side);
    const last = toScreen(view, row * side + picture.height * step, column * side + picture.width * step);
    const [top, left, bottom, right] = [...first, ...last].map((v) => Math.round(v * ratio));
    context.imageSmoothingEnabled = right - left < picture.width;
    context.imageSmoothingQuality = "medium";
    if (!context.imageSmoothingEnabled) context.clearRect(left, top, right - left, bottom - top);
    context.drawImage(picture, left, top, right - left, bottom - top);
  }

  /** A tile in colours, or undefined while some of its samples are not here. */
  picture(kind, level, place) {
    const tiles = this.keys(kind, level, place).map((key) => this.tiles.get(key));
    if (tiles.some((tile) => !tile)) return undefined;
    const channels = this.channels(kind).map((i) => this.state.channels[i]);
    const limit = this.errorLimit;
    const said = kind === "error" ? limit : channels.map((c) => [c.color, c.low, c.high]).join();
    const paintedAs = `${this.keys(kind, level, place).join()} ${said}`;
    const key = [kind, level, ...place].join("/");
    let kept = this.painted.get(key);
    this.painted.delete(key);
    if (kept?.look !== paintedAs) {
      const { rows, columns } = tiles[0] ?? this.emptyTile(level, place);
      const canvas = kept?.canvas ?? document.createElement("canvas");
      if (canvas.width !== columns || canvas.height !== rows) {
        Object.assign(canvas, { width: columns, height: rows });
      }
      const context = canvas.getContext("2d");
      const image = context.createImageData(columns, rows);
      if (kind === "error") paintError(image, tiles[0].data, limit);
      else paintSamples(image, channels.map((c, i) => ({ ...tiles[i], ...c })));
      context.putImageData(image, 0, 0);
      kept = { canvas, look: paintedAs };
    }
    this.painted.set(key, kept);
    if (this.painted.size > PAINTED) this.painted.delete(this.painted.keys().next().value);
    return kept.canvas;
  }

  /** The size of a tile of which no channel is shown. */
  emptyTile(level, place) {
    const { shape } = this.info.levels[level];
    const [rows, columns] = shape.map((n, i) => Math.min(this.info.side, n - place[i] * this.info.side));
    return { rows, columns };
  }

  /** The error that has the last colour: that of the state, or four times the typical error. */
  get errorLimit() {
    return this.state.limit ?? autoLimit(this.info, this.state.active);
  }

  drawScale(view) {
    const steps = this.info.plane.steps;
    const step = steps[steps.length - 1];
    const wide = Math.min(view.width / 4, 160) / view.zoomX;
    const size = step ? step.size : 1;
    const length = round125(wide * size);
    const text = step ? quantity(length, step.unit) : `${number(length)} px`;
    for (const one of Object.values(this.panels)) {
      one.scale.hidden = one !== this.shown[0];
      one.scale.firstChild.style.width = `${(length / size) * view.zoomX}px`;
      one.scale.lastChild.textContent = text;
    }
    if (this.panels.error) {
      const limit = this.errorLimit;
      const [dark, , bright] = this.panels.error.ticks;
      dark.textContent = `${signed(-limit)} too dark`;
      bright.textContent = `too bright ${signed(limit)}`;
      const { step: every } = this.info.levels[view.level];
      const name = this.info.channels.length > 1 ? `, ${channelName(this.info, this.state.active)}` : "";
      const worst = every > 1 ? `; each pixel: the largest of ${every} × ${every} samples` : "";
      this.panels.error.note.textContent = `decoded − original${name}${worst}`;
    }
  }
}

/** Four times the typical error that the file states for a channel; at least one count. */
export function autoLimit(info, channel) {
  const [low, high] = info.channels[channel].range;
  const range = high - low || 1;
  const typical = info.psnr === null ? range / 1024 : range * 10 ** (-info.psnr / 20);
  const limit = Number((4 * typical).toPrecision(2));
  return info.dtype.includes("float") ? limit : Math.max(1, Math.round(limit));
}

function panel(kind) {
  const canvas = el("canvas", { tabIndex: 0, role: "img", "aria-label": TITLES[kind] });
  const scale = el("div", { className: "scale" }, el("i"), el("span"));
  const note = el("span", { className: "note" });
  const cross = el("i", { className: "cross", hidden: true });
  const title = el("figcaption", {}, el("b", {}, TITLES[kind]), note);
  const figure = el("figure", { "data-kind": kind }, canvas, title, scale, cross);
  const made = { kind, figure, canvas, scale, note, cross, context: canvas.getContext("2d") };
  if (kind === "error") {
    made.ramp = el("canvas", { width: 256, height: 1 });
    made.ticks = ["", "0", ""].map((text) => el("span", {}, text));
    figure.append(el("div", { className: "ramp" }, made.ramp, el("div", {}, ...made.ticks)));
  }
  return made;
}

function paintBar(canvas) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  new Uint32Array(image.data.buffer).set(ERROR_COLORS);
  context.putImageData(image, 0, 0);
}
