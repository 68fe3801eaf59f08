// What was lost: figures of the plane, PSNR from plane to plane, the worst planes, the error map.

import { drawChart, plotWidth } from "./chart.js";
import { autoLimit } from "./stage.js";
import { channelName, clamp, decibels, el, number, signed } from "./text.js";

const LISTED = 5; // worst planes
const DECADES = 4; // of the slider of the error map, down from the channel's range
const STEPS = 400;

export class Lost {
  constructor(root, info, state, planes) {
    Object.assign(this, { info, state, planes });
    this.rank = -1; // of the worst plane that was visited last
    this.table = el("tbody");
    this.relative = el("p", { className: "faint" });
    this.chart = el("div", { className: "chart", role: "img" });
    this.progress = el("p", { className: "faint" });
    this.list = el("ol", { className: "worst" });
    this.whole = el("p");
    this.remarks = el("ul", { className: "remarks" });
    const names = ["", "PSNR, dB", "typical", "noise", "largest", "mean"];
    const titles = [
      "",
      "Peak signal-to-noise ratio, relative to the range of the channel",
      "Root mean square of the errors",
      "Standard deviation of the noise of the original in this plane, as estimated from it",
      "Largest error",
      "Mean of decoded − original",
    ];
    const head = names.map((name, i) => el("th", { scope: "col", title: titles[i] }, name));
    const table = el("table", {}, el("thead", {}, el("tr", {}, ...head)), this.table);
    root.append(
      el("h2", {}, "What was lost"),
      this.whole,
      this.remarks,
      el("h3", {}, "Error map"),
      this.limits(),
      el("h3", {}, "This plane"),
      table,
      this.relative,
      el("h3", { hidden: planes.of === 1 }, "From plane to plane"),
      this.chart,
      this.progress,
      this.list,
    );
    for (const name of ["pointerdown", "pointermove"]) {
      this.chart.addEventListener(name, (event) => this.pick(event));
    }
  }

  limits() {
    this.bar = el("input", { type: "range", id: "limit", min: 0, max: STEPS, step: 1 });
    this.auto = el("input", { type: "checkbox", id: "limit-auto" });
    this.limitText = el("output", { for: "limit" });
    this.bar.addEventListener("input", () => {
      const limit = this.range * 10 ** (DECADES * (this.bar.value / STEPS - 1));
      const whole = !this.info.dtype.includes("float");
      this.state.set({ limit: whole ? Math.max(1, Math.round(limit)) : limit });
    });
    this.auto.addEventListener("change", () => {
      const limit = autoLimit(this.info, this.state.active);
      this.state.set({ limit: this.auto.checked ? null : limit });
    });
    const auto = el("label", { title: "Four times the typical error of the whole image" }, this.auto, " auto");
    return el(
      "div",
      { className: "limits" },
      el("label", { for: "limit" }, "Full colour at"),
      this.limitText,
      this.bar,
      auto,
    );
  }

  /** max - min of the active channel. */
  get range() {
    const [low, high] = this.info.channels[this.state.active].range;
    return high - low || 1;
  }

  show() {
    const { state, info, planes } = this;
    const limit = state.limit ?? autoLimit(info, state.active);
    this.bar.value = clamp(STEPS * (1 + Math.log10(limit / this.range) / DECADES), 0, STEPS);
    this.auto.checked = state.limit === null;
    const share = `${number((100 * limit) / this.range, 2)} % of the range`;
    this.limitText.textContent = `± ${number(limit)}, ${share}`;
    this.bar.setAttribute("aria-valuetext", this.limitText.textContent);
    const channels = info.channels.flatMap((_, i) => (state.channels[i].on || i === state.active ? [i] : []));
    this.showPlane(channels, planes.figures(state.at, channels));
    drawChart(this.chart, this.line(), state.at[this.axis], this.axis);
    const done = planes.psnr.length;
    this.progress.textContent = planes.image
      ? this.axis
        ? `PSNR along ${this.axis}: click to go there.`
        : ""
      : planes.of > 1
        ? `${done} of ${planes.of} planes measured`
        : "";
    this.showWorst();
    this.showWhole(planes.image);
  }

  showPlane(channels, figures) {
    const { info, state } = this;
    const rows = channels.map((i, n) => {
      const of = figures[n];
      const cells = of
        ? [
            of.exact ? "exact" : number(of.psnr, 4),
            number(typical(of), 3),
            number(of.noise, 3),
            number(of.largest),
            signed(of.bias, 2),
          ]
        : ["…", "", "", "", ""];
      const name = channelName(info, i);
      const pick = el("input", { type: "radio", name: "active", checked: i === state.active });
      pick.addEventListener("change", () => state.set({ active: i, limit: null }));
      const label = el("label", {}, ...(info.channels.length > 1 ? [pick, ` ${name}`] : [name]));
      return el("tr", {}, el("th", { scope: "row" }, label), ...cells.map((text) => el("td", {}, text)));
    });
    const [low, high] = info.channels[state.active].range;
    const focused = this.table.contains(document.activeElement);
    this.table.replaceChildren(...rows);
    if (focused) this.table.querySelector("input:checked")?.focus();
    const unlike = figures[channels.indexOf(state.active)]?.unlike;
    this.relative.textContent =
      `Errors and noise in counts; PSNR relative to ${number(low)} … ${number(high)}, the whole channel's range.` +
      (unlike ? ` ${unlike} samples are NaN or infinite on one side only.` : "");
  }

  /** The axis of the chart. */
  get axis() {
    return this.state.axis(0);
  }

  /** PSNR along the axis of the chart, through what is seen: undefined where not yet known. */
  line() {
    const { state, planes, axis } = this;
    if (!axis) return [];
    const { size } = this.info.sliders.find((s) => s.axis === axis);
    const numbers = Array.from({ length: size }, (_, i) =>
      planes.numberOf({ ...state.at, [axis]: i }, state.active),
    );
    return numbers.map((n) => planes.psnr[n]);
  }

  pick(event) {
    if (!this.axis || !(event.buttons & 1)) return;
    const box = this.chart.getBoundingClientRect();
    const { size } = this.info.sliders.find((s) => s.axis === this.axis);
    this.state.go(this.axis, ((event.clientX - box.left) / plotWidth(this.chart)) * size - 0.5);
  }

  showWorst() {
    const worst = this.planes.of > 1 ? this.planes.worst(LISTED) : [];
    if (worst.join() === this.listed) return;
    this.listed = worst.join();
    const items = worst.map((plane, rank) => {
      const text = `${this.nameOf(plane)}: ${decibels(this.planes.psnr[plane])}`;
      const go = el("button", { type: "button" }, text);
      go.addEventListener("click", () => this.goTo(rank));
      return el("li", {}, go);
    });
    const first = el("li", { className: "faint" }, "Worst planes (W)");
    this.list.replaceChildren(...(items.length ? [first, ...items] : []));
  }

  nameOf(plane) {
    const { at, channel } = this.planes.placeOf(plane);
    const places = this.info.sliders.filter((s) => s.size > 1).map(({ axis }) => `${axis} ${at[axis]}`);
    return [...places, channelName(this.info, channel)].filter(Boolean).join(", ");
  }

  /** Go to one of the worst planes; without a rank to the next one after the last visit. */
  goTo(rank = (this.rank + 1) % LISTED) {
    const worst = this.planes.worst(LISTED);
    if (!worst.length) return;
    this.rank = rank % worst.length;
    const { at, channel } = this.planes.placeOf(worst[this.rank]);
    if (!this.state.channels[channel].on) this.state.setChannel(channel, { on: true });
    this.state.set({ at: { ...this.state.at, ...at }, active: channel, moved: null });
  }

  showWhole(image) {
    const stated = this.info.psnr;
    const says = stated === null ? "" : `; the file states ${decibels(stated)}`;
    this.whole.textContent = image
      ? image.psnr === null
        ? "Every sample of the image is exact."
        : `Whole image: ${decibels(image.psnr)}, largest error ${number(image.largest)}${says}.`
      : this.info.exact
        ? "The file states that it holds the exact samples."
        : stated === null
          ? ""
          : `The file states ${decibels(stated)} for the whole image.`;
    const remarks = image ? image.remarks.map((text) => el("li", {}, text)) : [];
    this.remarks.replaceChildren(...remarks);
  }
}

/** The root mean square of the errors of a plane, in counts. */
function typical({ psnr, range }) {
  return psnr === null ? 0 : (range[1] - range[0] || 1) * 10 ** (-psnr / 20);
}
