// Numbers, lengths and elements: what several modules write.

/** An element with properties, "data-…" and "aria-…" attributes, and children. */
export function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "for" || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** A number with as many digits as are worth reading: 4836, 0.0123, 1.25e+9. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return minus(String(value));
  const size = Math.abs(value);
  if (size >= 10 ** digits && size < 1e9) return minus(value.toFixed(0));
  return minus(String(Number(value.toPrecision(digits))));
}

/** The same with its sign, also where that is a plus. */
export function signed(value, digits = 4) {
  return value > 0 ? `+${number(value, digits)}` : number(value, digits);
}

/** A PSNR in decibels; null stands for no error at all. */
export function decibels(value) {
  return value === null ? "exact" : `${value.toFixed(2)} dB`;
}

/** What a channel is called. */
export function channelName(info, channel) {
  return info.channels[channel].name ?? (info.channels.length > 1 ? `channel ${channel}` : "");
}

/** Bytes: 245 kB. */
export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  for (; count >= 1000 && unit < units.length - 1; unit++) count /= 1000;
  return `${Number(count.toPrecision(3))} ${units[unit]}`;
}

const METRIC = [
  ["nm", 1e-3],
  ["µm", 1],
  ["mm", 1e3],
  ["cm", 1e4],
  ["m", 1e6],
];

/** A length or time in the unit that reads best: 0.26 µm → "260 nm". */
export function quantity(value, unit) {
  if (!unit) return number(value);
  const from = METRIC.find(([name]) => name === unit.replace("μ", "µ"));
  if (!from) return `${number(value)} ${unit}`;
  const size = value * from[1];
  const fits = METRIC.filter(([name, one]) => name !== "cm" && Math.abs(size) >= one);
  const [name, one] = fits.length ? fits[fits.length - 1] : size ? METRIC[0] : from;
  return `${number(size / one)} ${name}`;
}

/** The largest of 1, 2, 5, 10, 20 … that is not above a length. */
export function round125(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  return power * (most >= 5 * power ? 5 : most >= 2 * power ? 2 : 1);
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function minus(text) {
  return text.replace("-", "−");
}
