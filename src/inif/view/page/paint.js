// Samples to colours, a tile at a time. Nothing here knows the page.

const TABLES = { uint8: [256, 0], int8: [256, 128], uint16: [65536, 0], int16: [65536, 32768] };

/** Colours of errors, from decoded too dark over no error to decoded too bright. */
export const ERROR_COLORS = blend([
  [140, 205, 255],
  [30, 105, 185],
  [14, 17, 22],
  [190, 75, 20],
  [255, 190, 130],
]);

/** "#FF8000" → [255, 128, 0]. */
export function rgb(color) {
  return [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16));
}

/**
 * Paint samples of several channels, whose light adds up.
 *
 * `image` is an ImageData; a layer has `data` and `type` of a tile, and `low`, `high`, `color`.
 */
export function paintSamples(image, layers) {
  const words = new Uint32Array(image.data.buffer);
  if (layers.length === 1) {
    const [layer] = layers;
    const inks = shades(rgb(layer.color));
    eachShade(layer, (i, shade) => {
      words[i] = inks[shade];
    });
    return;
  }
  words.fill(0xff000000);
  const out = image.data; // it clamps sums at 255
  for (const layer of layers) {
    const [red, green, blue] = rgb(layer.color).map((v) => shadesOf(v));
    eachShade(layer, (i, shade) => {
      const at = 4 * i;
      out[at] += red[shade];
      out[at + 1] += green[shade];
      out[at + 2] += blue[shade];
    });
  }
}

/** Paint errors from -limit to limit; where there is no number nothing is painted. */
export function paintError(image, data, limit) {
  const words = new Uint32Array(image.data.buffer);
  const scale = 127.5 / limit;
  for (let i = 0; i < data.length; i++) {
    const at = 127.5 + data[i] * scale;
    words[i] = at !== at ? 0 : ERROR_COLORS[at <= 0 ? 0 : at >= 255 ? 255 : Math.round(at)];
  }
}

/** How many of the samples of some tiles fall into each of `bins` parts of a range. */
export function histogram(tiles, low, high, bins) {
  const counts = new Float64Array(bins);
  const scale = bins / (high - low || 1);
  for (const { data } of tiles) {
    const step = Math.max(1, Math.floor(data.length / 65536));
    for (let i = 0; i < data.length; i += step) {
      const bin = Math.floor((data[i] - low) * scale);
      if (bin >= 0 && bin <= bins) counts[Math.min(bin, bins - 1)]++;
    }
  }
  return counts;
}

/** The samples of some tiles below which the given shares of all of them lie, e.g. [0.01, 0.998]. */
export function quantiles(tiles, shares, value = (v) => v) {
  const some = [];
  for (const { data } of tiles) {
    const step = Math.max(1, Math.floor((data.length * tiles.length) / 65536));
    for (let i = 0; i < data.length; i += step) {
      const v = value(data[i]);
      if (Number.isFinite(v)) some.push(v);
    }
  }
  const sorted = Float64Array.from(some).sort();
  return shares.map((share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0);
}

/** Call `put(i, shade)` for each sample, its shade from 0 to 255. */
function eachShade({ data, type, low, high }, put) {
  const scale = 255 / (high - low || 1);
  const size = TABLES[type];
  if (!size) {
    for (let i = 0; i < data.length; i++) {
      const at = (data[i] - low) * scale;
      put(i, at >= 255 ? 255 : at > 0 ? Math.round(at) : 0);
    }
    return;
  }
  const [length, zero] = size;
  const table = new Uint8ClampedArray(length);
  for (let v = 0; v < length; v++) table[v] = Math.round((v - zero - low) * scale);
  for (let i = 0; i < data.length; i++) put(i, table[data[i] + zero]);
}

/** The 256 shades of a colour as words of an ImageData: alpha, blue, green, red. */
function shades(color) {
  const [red, green, blue] = color.map((v) => shadesOf(v));
  return Uint32Array.from(red, (_, i) => word(red[i], green[i], blue[i]));
}

function shadesOf(value) {
  return Uint8Array.from({ length: 256 }, (_, i) => Math.round((i * value) / 255));
}

/** 256 words between colours at equal distances. */
function blend(colors) {
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (colors.length - 1);
    const k = Math.min(Math.floor(at), colors.length - 2);
    const part = colors[k].map((v, c) => Math.round(v + (colors[k + 1][c] - v) * (at - k)));
    return word(...part);
  });
}

function word(red, green, blue) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
