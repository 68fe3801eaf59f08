// What is shown, in one place: the page follows it, and the address keeps it.

import { clamp } from "./text.js";

export const MODES = ["decoded", "original", "side", "error", "all"];

/** The panels of each mode, from left to right. */
export const PANELS = {
  decoded: ["decoded"],
  original: ["original"],
  side: ["original", "decoded"],
  error: ["error"],
  all: ["original", "decoded", "error"],
};

/** Channels that are shown to begin with. */
const SHOWN = 3;

/** Samples of a plane from which it takes long to compare all of it: that waits until it is asked for. */
const LARGE = 1 << 24;

export class State {
  constructor(info) {
    this.info = info;
    this.at = { ...info.start };
    const large = info.levels[0].shape[0] * info.levels[0].shape[1] > LARGE;
    this.mode = info.original && !large ? "side" : "decoded";
    this.zoom = 0; // screen pixels for each column of samples; 0: all of the plane
    this.center = null; // [row, column] in the middle of each panel; null: the plane's
    this.channels = info.channels.map((channel, i) => ({
      on: i < SHOWN,
      color: channel.color,
      low: channel.window[0],
      high: channel.window[1],
    }));
    this.active = 0; // the channel of the error map and of the chart
    this.limit = null; // of the error map, in counts; null: follows the plane
    this.playing = null; // the axis along which planes follow each other by themselves
    this.moved = null; // the last step, {axis, by}: where to look next
    this.listeners = [];
    this.fromHash();
  }

  /** Call `listener` after each change, with what changed. */
  subscribe(listener) {
    this.listeners.push(listener);
  }

  /** Change some fields, and tell. */
  set(fields) {
    Object.assign(this, fields);
    for (const listener of this.listeners) listener(Object.keys(fields));
    this.keep();
  }

  /** Change some fields of one channel. */
  setChannel(index, fields) {
    const channels = this.channels.map((c, i) => (i === index ? { ...c, ...fields } : c));
    this.set({ channels });
  }

  /** Go to an index of an axis; beyond its ends is its end. */
  go(axis, index) {
    const slider = this.info.sliders.find((one) => one.axis === axis);
    if (!slider) return;
    const next = clamp(Math.round(index), 0, slider.size - 1);
    if (next === this.at[axis]) return;
    const moved = { axis, by: Math.sign(next - this.at[axis]) };
    this.set({ at: { ...this.at, [axis]: next }, moved });
  }

  /** The axis that the first pair of arrow keys moves along, and that of the second. */
  axis(which) {
    const axes = this.info.sliders.filter((s) => s.size > 1).map((s) => s.axis);
    axes.sort((a, b) => "ZTYX".indexOf(a) - "ZTYX".indexOf(b));
    return axes[which];
  }

  /** Channels that are shown, by number. */
  get visible() {
    return this.channels.flatMap((channel, i) => (channel.on ? [i] : []));
  }

  /** Write the state into the address, a moment after the last change. */
  keep() {
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => history.replaceState(null, "", `#${this.toHash()}`), 200);
  }

  toHash() {
    const said = new URLSearchParams();
    for (const [axis, index] of Object.entries(this.at)) said.set(axis, index);
    said.set("mode", this.mode);
    if (this.zoom) said.set("zoom", Number(this.zoom.toPrecision(6)));
    if (this.center) said.set("center", this.center.map((v) => v.toFixed(2)).join(","));
    if (this.limit !== null) said.set("error", Number(this.limit.toPrecision(6)));
    if (this.active) said.set("active", this.active);
    this.channels.forEach((c, i) => {
      const was = this.info.channels[i];
      const same = c.low === was.window[0] && c.high === was.window[1] && c.color === was.color;
      if (same && c.on === i < SHOWN) return;
      said.set(`c${i}`, [Number(c.on), c.color.slice(1), c.low, c.high].join(","));
    });
    return said.toString();
  }

  /** Take over what an address says, as far as it fits this file. */
  fromHash() {
    const said = new URLSearchParams(location.hash.slice(1));
    for (const { axis, size } of this.info.sliders) {
      const index = Number(said.get(axis) ?? NaN);
      if (Number.isInteger(index) && index >= 0 && index < size) this.at[axis] = index;
    }
    const mode = said.get("mode");
    if (MODES.includes(mode) && (this.info.original || mode === "decoded")) this.mode = mode;
    const zoom = Number(said.get("zoom"));
    if (zoom > 0 && zoom <= 64) this.zoom = zoom;
    const center = (said.get("center") ?? "").split(",").map(Number);
    if (said.has("center") && center.length === 2 && center.every(Number.isFinite)) {
      this.center = center;
    }
    const limit = Number(said.get("error"));
    if (limit > 0 && Number.isFinite(limit)) this.limit = limit;
    const active = Number(said.get("active"));
    if (Number.isInteger(active) && active in this.channels) this.active = active;
    this.channels = this.channels.map((channel, i) => {
      const [on, color, low, high] = (said.get(`c${i}`) ?? "").split(",");
      const limits = [low, high].map((text) => (text ? Number(text) : NaN));
      const fits = /^[0-9a-f]{6}$/i.test(color ?? "") && limits.every(Number.isFinite);
      if (!fits || limits[0] >= limits[1]) return channel;
      return { on: on === "1", color: `#${color}`, low: limits[0], high: limits[1] };
    });
  }
}
