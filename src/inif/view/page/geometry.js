// Where samples are on the screen, and which tiles that takes.

import { clamp } from "./text.js";

const MOST = 64; // screen pixels for a sample

/** What a panel of `size` ({width, height}, screen pixels) shows. */
export function look(state, info, size) {
  const [rows, columns] = info.levels[0].shape;
  const aspect = pixelAspect(info);
  const fit = Math.min(size.width / columns, size.height / (rows * aspect)) || 1;
  const zoomX = state.zoom || fit;
  const [row, column] = state.center ?? [rows / 2, columns / 2];
  const zoomY = zoomX * aspect;
  const top = onPixel(size.height / 2 - row * zoomY);
  const left = onPixel(size.width / 2 - column * zoomX);
  return { row, column, zoomX, zoomY, fit, top, left, ...size, level: levelOf(info, zoomX, zoomY) };
}

/** Screen pixels from the left or top edge of a panel to a place among samples. */
export function toScreen(view, row, column) {
  return [view.top + row * view.zoomY, view.left + column * view.zoomX];
}

/** The place among samples, [row, column], of a point of a panel. */
export function toSamples(view, y, x) {
  return [(y - view.top) / view.zoomY, (x - view.left) / view.zoomX];
}

/** Zoom so that the point (y, x) of a panel stays where it is; gives what to set. */
export function zoomAt(view, info, factor, y = view.height / 2, x = view.width / 2) {
  const zoom = clamp(view.zoomX * factor, Math.min(view.fit, 1) / 2, MOST);
  const [row, column] = toSamples(view, y, x);
  const scale = view.zoomX / zoom;
  return {
    zoom,
    center: inside(info, row + (view.row - row) * scale, column + (view.column - column) * scale),
  };
}

/** Move by screen pixels; gives what to set. */
export function panBy(view, info, down, right) {
  const center = inside(info, view.row - down / view.zoomY, view.column - right / view.zoomX);
  return { zoom: view.zoomX, center };
}

/** Tiles of a level that are seen, [row, column] each, those in the middle first. */
export function tilesOf(view, info, level) {
  const { step, shape } = info.levels[level];
  const side = info.side * step;
  const counts = shape.map((n) => Math.ceil(n / info.side));
  const [top, left] = toSamples(view, 0, 0);
  const [bottom, right] = toSamples(view, view.height, view.width);
  const found = [];
  for (let r = Math.max(0, Math.floor(top / side)); r < counts[0] && r * side < bottom; r++) {
    for (let c = Math.max(0, Math.floor(left / side)); c < counts[1] && c * side < right; c++) {
      const far = Math.hypot((r + 0.5) * side - view.row, (c + 0.5) * side - view.column);
      found.push([r, c, far]);
    }
  }
  return found.sort((a, b) => a[2] - b[2]).map(([r, c]) => [r, c]);
}

/** Height of a sample over its width, where the file states both. */
export function pixelAspect(info) {
  const [down, across] = info.plane.steps.length === 2 ? info.plane.steps : [null, null];
  if (!down || !across || down.unit !== across.unit) return 1;
  return clamp(down.size / across.size, 0.05, 20);
}

/** The nearest edge between two pixels of the screen. */
function onPixel(length) {
  const ratio = window.devicePixelRatio || 1;
  return Math.round(length * ratio) / ratio;
}

/** The smallest level that has a sample for each pixel of the screen. */
function levelOf(info, zoomX, zoomY) {
  const pixels = Math.max(zoomX, zoomY) * (window.devicePixelRatio || 1);
  return clamp(Math.floor(Math.log2(1 / pixels) + 1e-6), 0, info.levels.length - 1);
}

function inside(info, row, column) {
  const [rows, columns] = info.levels[0].shape;
  return [clamp(row, 0, rows), clamp(column, 0, columns)];
}
