// One slider for each axis that planes are numbered along, and playing along it.

import { el, quantity } from "./text.js";

const RATE = 12; // planes a second, at most

export class Sliders {
  constructor(root, info, state) {
    Object.assign(this, { info, state });
    this.rows = info.sliders.filter((s) => s.size > 1).map((slider) => this.row(slider));
    root.append(...this.rows.map((row) => row.root));
    this.show();
  }

  row(slider) {
    const { axis, name, size } = slider;
    const id = `at-${axis}`;
    const play = el("button", { type: "button", className: "play" });
    const input = el("input", { type: "range", id, min: 0, max: size - 1, step: 1 });
    const text = el("output", { for: id });
    input.addEventListener("input", () => this.state.go(axis, Number(input.value)));
    play.addEventListener("click", () => this.play(axis));
    const label = el("label", { for: id, title: `${name}: arrow keys` }, axis);
    return { slider, play, input, text, root: el("div", { className: "slider" }, label, play, input, text) };
  }

  /** Start or stop to go through the planes of an axis. */
  play(axis) {
    if (axis) this.state.set({ playing: this.state.playing === axis ? null : axis });
  }

  /** Go on to the next plane if it is time to; called again and again while playing. */
  tick(now, complete) {
    const axis = this.state.playing;
    if (!axis || !complete || now - (this.last ?? 0) < 1000 / RATE) return;
    this.last = now;
    const { size } = this.info.sliders.find((s) => s.axis === axis);
    this.state.go(axis, (this.state.at[axis] + 1) % size);
  }

  show() {
    for (const { slider, play, input, text } of this.rows) {
      const { axis, name, size, step } = slider;
      const at = this.state.at[axis];
      const playing = this.state.playing === axis;
      const where = step ? ` · ${quantity(at * step.size, step.unit)}` : "";
      input.value = at;
      input.setAttribute("aria-valuetext", `${name} ${at} of ${size}${where}`);
      text.textContent = `${at} / ${size - 1}${where}`;
      play.textContent = playing ? "❚❚" : "▶";
      play.setAttribute("aria-label", `${playing ? "Stop" : "Play"} along ${axis}`);
      play.setAttribute("aria-pressed", playing);
    }
  }
}
