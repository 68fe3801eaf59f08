// Samples under the cursor, decoded and original, and where that is.

import { channelName, el, number, quantity, signed } from "./text.js";
import { tileKey } from "./tiles.js";

/** Write what is at `place` ([row, column], or null) into an element. */
export function readout(root, info, state, stage, tiles, place) {
  if (!place) {
    root.replaceChildren(el("span", { className: "faint" }, "Point at the picture to read samples."));
    return;
  }
  const { level } = stage.view;
  const { step } = info.levels[level];
  const exact = place.map((v) => Math.floor(v / step) * step); // the sample that is shown there
  const parts = [el("span", {}, position(info, state, exact))];
  for (const c of state.visible) {
    const values = ["decoded", "original"].map((kind) => {
      if (kind === "original" && !info.original) return undefined;
      return sample(info, state, tiles, kind, level, exact, c);
    });
    parts.push(channel(info, state, c, values));
  }
  if (step > 1) parts.push(el("span", { className: "faint" }, `1 : ${step}`));
  root.replaceChildren(...parts);
}

function position(info, state, exact) {
  const inPlane = [...info.plane.axes].map((axis, i) => [axis, exact.at(i - info.plane.axes.length)]);
  const stepOf = (axis) => {
    const i = info.plane.axes.indexOf(axis);
    return i >= 0 ? info.plane.steps[i] : info.sliders.find((s) => s.axis === axis).step;
  };
  const others = info.sliders.map((s) => [s.axis, state.at[s.axis]]);
  return [...inPlane.reverse(), ...others]
    .map(([axis, index]) => {
      const step = stepOf(axis);
      const where = step ? ` (${quantity(index * step.size, step.unit)})` : "";
      return `${axis.toLowerCase()} ${index}${where}`;
    })
    .join("  ");
}

function channel(info, state, c, [decoded, original]) {
  const name = channelName(info, c);
  const swatch = el("i", { className: "swatch" });
  swatch.style.background = state.channels[c].color;
  const made = el("span", { className: "value" }, swatch, name ? `${name} ` : "");
  made.append(el("b", {}, decoded === undefined ? "…" : number(decoded, 6)));
  if (original !== undefined) {
    made.append(` original `, el("b", {}, number(original, 6)));
    if (decoded !== undefined) made.append(` error `, el("b", {}, signed(decoded - original, 6)));
  }
  return made;
}

/** A sample, from the tile that is shown; undefined while that is not here. */
function sample(info, state, tiles, kind, level, [row, column], c) {
  const { step } = info.levels[level];
  const [r, k] = [Math.floor(row / step), Math.floor(column / step)];
  const place = [Math.floor(r / info.side), Math.floor(k / info.side)];
  const tile = tiles.get(tileKey(info.slots, kind, level, ...place, c, state.at));
  return tile?.data[(r % info.side) * tile.columns + (k % info.side)];
}
