// A card for each channel: whether it is shown, its colour, and what is black and what is full.

import { histogram, quantiles } from "./paint.js";
import { channelName, clamp, el, number } from "./text.js";

const BINS = 128;
const STEPS = 1000; // of a slider
const SHARES = [0.01, 0.998]; // of the samples of a plane, for automatic limits

export class Channels {
  /** `tilesOf(channel)` gives the tiles of a channel that are seen now. */
  constructor(root, info, state, tilesOf) {
    Object.assign(this, { info, state, tilesOf });
    this.cards = info.channels.map((channel, i) => this.card(channel, i));
    root.append(...this.cards.map((card) => card.root));
    this.show();
  }

  card(channel, i) {
    const name = channelName(this.info, i) || "Intensity";
    const on = el("input", { type: "checkbox", id: `on-${i}` });
    const color = el("input", { type: "color", "aria-label": `Colour of ${name}` });
    const auto = el("button", { type: "button", title: "Limits from this plane (L: of all channels)" }, "Auto");
    const reset = el("button", { type: "button", title: "Limits and colour as the file has them" }, "Reset");
    const low = this.limit(i, "low", `Black of ${name}`);
    const high = this.limit(i, "high", `Full colour of ${name}`);
    const picture = el("canvas", { width: BINS, height: 32, "aria-hidden": "true" });
    on.addEventListener("change", () => this.state.setChannel(i, { on: on.checked }));
    color.addEventListener("input", () => this.state.setChannel(i, { color: color.value }));
    auto.addEventListener("click", () => this.auto([i]));
    reset.addEventListener("click", () => {
      const [least, most] = channel.window;
      this.state.setChannel(i, { color: channel.color, low: least, high: most });
    });
    const head = el("div", { className: "head" }, on, el("label", { for: on.id }, name), color);
    const ends = el("div", { className: "ends" }, low.text, auto, reset, high.text);
    const bars = el("div", { className: "bars" }, picture, low.bar, high.bar);
    return { root: el("div", { className: "channel" }, head, bars, ends), on, color, low, high, picture };
  }

  /** A slider and a number for one of the two limits. */
  limit(i, which, label) {
    const bar = el("input", { type: "range", min: 0, max: STEPS, step: 1, "aria-label": label });
    const text = el("input", { type: "number", step: "any", "aria-label": `${label}, as a number` });
    bar.addEventListener("input", () => this.move(i, which, this.value(i, Number(bar.value) / STEPS)));
    text.addEventListener("change", () => {
      if (text.value !== "") this.move(i, which, Number(text.value));
      this.show();
    });
    return { bar, text };
  }

  /** Set one limit; it stops before the other. */
  move(i, which, value) {
    const { low, high } = this.state.channels[i];
    const whole = !this.info.dtype.includes("float");
    const [least, most] = this.span(i);
    const gap = whole ? 1 : (most - least) / STEPS / 10;
    const next = whole ? Math.round(value) : value;
    if (which === "low") this.state.setChannel(i, { low: Math.min(next, high - gap) });
    else this.state.setChannel(i, { high: Math.max(next, low + gap) });
  }

  /** Limits that follow from the plane that is seen. */
  auto(channels) {
    for (const i of channels) {
      const tiles = this.tilesOf(i);
      if (!tiles.length) continue;
      let [low, high] = quantiles(tiles, SHARES);
      if (low >= high) [low, high] = quantiles(tiles, [0, 1]);
      if (low < high) this.state.setChannel(i, { low, high });
    }
  }

  show() {
    this.cards.forEach((card, i) => {
      const channel = this.state.channels[i];
      card.on.checked = channel.on;
      card.color.value = channel.color.toLowerCase();
      card.root.classList.toggle("off", !channel.on);
      for (const which of ["low", "high"]) {
        card[which].bar.value = STEPS * this.share(i, channel[which]);
        card[which].bar.setAttribute("aria-valuetext", number(channel[which]));
        const { text } = card[which];
        if (text !== document.activeElement) text.value = Number(channel[which].toPrecision(6));
      }
      card.root.style.setProperty("--low", this.share(i, channel.low));
      card.root.style.setProperty("--high", this.share(i, channel.high));
      card.root.style.setProperty("--color", channel.color);
    });
  }

  /** Draw how often which samples occur in the plane that is seen. */
  showHistograms() {
    this.cards.forEach((card, i) => {
      const context = card.picture.getContext("2d");
      context.clearRect(0, 0, BINS, 32);
      if (!this.state.channels[i].on) return;
      const counts = histogram(this.tilesOf(i), ...this.span(i), BINS).map(Math.log1p);
      const most = Math.max(...counts) || 1;
      context.fillStyle = "#8b96a3";
      counts.forEach((n, k) => context.fillRect(k, 32 - (31 * n) / most, 1, 32));
    });
  }

  /** What the sliders go over: the range of the channel, and its limits where these are beyond. */
  span(i) {
    const { range, window } = this.info.channels[i];
    const [least, most] = [Math.min(range[0], window[0]), Math.max(range[1], window[1])];
    return least < most ? [least, most] : [least, least + 1];
  }

  share(i, value) {
    const [least, most] = this.span(i);
    return clamp((value - least) / (most - least), 0, 1);
  }

  value(i, share) {
    const [least, most] = this.span(i);
    return least + share * (most - least);
  }
}
