// The figures of planes: asked for where somebody looks, and collected for all planes bit by bit.

const PAUSE = 250; // milliseconds between two requests for more

export class Planes {
  /** `changed()` is called when figures have come; `busy()` says whether tiles have to go first. */
  constructor(info, changed, busy) {
    Object.assign(this, { info, changed, busy });
    this.sizes = [...info.slots].map((axis) => info.shape[info.axes.indexOf(axis)]);
    this.of = this.sizes.reduce((a, b) => a * b, 1);
    this.psnr = []; // of each plane, in C order of the axes `info.slots`; null: exact
    this.largest = [];
    this.image = null; // figures of the whole image, at the end
    this.known = new Map(); // "slot" → figures of each channel
    this.collect();
  }

  /** The number of a plane. */
  numberOf(at, channel) {
    return [...this.info.slots].reduce(
      (n, axis, i) => n * this.sizes[i] + (axis === "C" ? channel : at[axis]),
      0,
    );
  }

  /** The plane of a number: {at, channel}. */
  placeOf(number) {
    const at = {};
    let channel = 0;
    for (let i = this.sizes.length - 1; i >= 0; i--) {
      const index = number % this.sizes[i];
      number = Math.floor(number / this.sizes[i]);
      if (this.info.slots[i] === "C") channel = index;
      else at[this.info.slots[i]] = index;
    }
    return { at, channel };
  }

  /** Numbers of the planes with the lowest PSNR, those that are exact left out. */
  worst(count) {
    const found = [];
    this.psnr.forEach((value, number) => {
      if (value === null || (found.length === count && value >= this.psnr[found[count - 1]])) return;
      const at = found.findIndex((other) => value < this.psnr[other]);
      found.splice(at < 0 ? found.length : at, 0, number);
      found.length = Math.min(found.length, count);
    });
    return found;
  }

  /** The figures of every channel of a plane, once they are here; else they are asked for. */
  figures(at) {
    const query = this.query(at);
    if (this.known.has(query)) return this.known.get(query);
    clearTimeout(this.asking);
    this.asking = setTimeout(() => this.ask(query), this.busy() ? 100 : 20);
    return null;
  }

  query(at) {
    return [...this.info.slots].map((a) => `${a.toLowerCase()}=${a === "C" ? 0 : at[a]}`).join("&");
  }

  async ask(query) {
    const answer = await fetch(`compare?${query}`).catch(() => null);
    if (!answer?.ok) return;
    this.known.set(query, (await answer.json()).channels);
    if (this.known.size > 500) this.known.delete(this.known.keys().next().value);
    this.changed();
  }

  /** Have more planes measured while nothing else is going on and the page is looked at. */
  async collect() {
    let pause = PAUSE;
    if (!this.busy() && !document.hidden) {
      const answer = await fetch(`planes?since=${this.psnr.length}`).catch(() => null);
      if (answer?.ok) this.take(await answer.json());
      else pause = 20 * PAUSE;
    }
    if (!this.image) setTimeout(() => this.collect(), pause);
  }

  take(told) {
    this.psnr.push(...told.psnr);
    this.largest.push(...told.largest);
    this.image = told.image;
    this.changed();
  }
}
