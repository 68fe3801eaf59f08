// A line of PSNR over the planes along an axis.

import { el } from "./text.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 72;
const INSET = 6;
const LABELS = 50; // at the right end

/** Draw `values` (dB; null: exact; undefined: not known yet) and mark the plane that is seen. */
export function drawChart(root, values, at, axis) {
  root.hidden = values.length < 2;
  const known = values.filter((v) => typeof v === "number");
  if (root.hidden || !known.length) return root.replaceChildren();
  const width = plotWidth(root);
  const least = Math.min(...known);
  const most = Math.max(...known, least + 0.5);
  const x = (i) => ((i + 0.5) / values.length) * width;
  const y = (v) => HEIGHT - INSET - ((HEIGHT - 2 * INSET) * ((v ?? most) - least)) / (most - least);
  let path = "";
  values.forEach((v, i) => {
    if (v !== undefined) path += `${i && values[i - 1] !== undefined ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
  });
  const worst = values.indexOf(least);
  const svg = made("svg", { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` });
  svg.append(
    made("line", { class: "here", x1: x(at), x2: x(at), y1: 0, y2: HEIGHT }),
    made("path", { class: "line", d: path }),
    made("circle", { class: "low", cx: x(worst), cy: y(least), r: 3.5 }),
  );
  if (typeof values[at] === "number") {
    svg.append(made("circle", { class: "now", cx: x(at), cy: y(values[at]), r: 3.5 }));
  }
  const ends = [most, least].map((v) => el("span", {}, `${v.toFixed(1)} dB`));
  root.setAttribute(
    "aria-label",
    `PSNR along ${axis}: from ${least.toFixed(1)} dB at ${axis} ${worst} to ${most.toFixed(1)} dB`,
  );
  root.replaceChildren(svg, el("div", { className: "scale-y" }, ...ends));
}

/** Pixels over which the planes are spread, from the left end. */
export function plotWidth(root) {
  return (root.clientWidth || 300) - LABELS;
}

function made(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
