// The figures of planes: asked for where somebody looks, and collected for all planes bit by bit.

const PAUSE = 250; // milliseconds between two requests for more
const CALM = 40; // milliseconds for which somebody looks at a plane before its figures are asked for
const KEPT = 1000; // planes whose figures are kept

export class Planes {
  /** `changed()` is called when figures have come; `busy()` says whether tiles have to go first. */
  constructor(info, changed, busy) {
    Object.assign(this, { info, changed, busy });
    this.sizes = [...info.slots].map((axis) => info.shape[info.axes.indexOf(axis)]);
    this.of = this.sizes.reduce((a, b) => a * b, 1);
    this.psnr = []; // of each plane, in C order of the axes `info.slots`; null: exact
    this.largest = [];
    this.image = null; // figures of the whole image, at the end
    this.known = new Map(); // query → figures of one plane of one channel
    this.missing = [];
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

  /** Figures of some channels of a plane; null for those that are not here yet, but asked for. */
  figures(at, channels) {
    const queries = channels.map((channel) => this.query(at, channel));
    this.missing = queries.filter((query) => !this.known.has(query));
    clearTimeout(this.asking);
    if (this.missing.length) this.asking = setTimeout(() => this.ask(), CALM);
    return queries.map((query) => this.known.get(query) ?? null);
  }

  query(at, channel) {
    const place = [...this.info.slots].map((a) => [a.toLowerCase(), a === "C" ? channel : at[a]]);
    return new URLSearchParams(place).toString();
  }

  /** Ask for what is missing, one by one. */
  async ask() {
    if (this.asksNow) return;
    this.asksNow = true;
    while (this.missing.length) {
      const query = this.missing[0];
      const said = await this.fetch(`compare?${query}`);
      this.missing = this.missing.filter((other) => other !== query);
      if (!said) continue;
      this.known.set(query, said);
      if (this.known.size > KEPT) this.known.delete(this.known.keys().next().value);
      this.changed();
    }
    this.asksNow = false;
  }

  /** Have more planes measured while nothing else is going on and the page is looked at. */
  async collect() {
    while (!this.image) {
      await pause(PAUSE);
      if (this.busy() || this.asksNow || document.hidden) continue;
      const told = await this.fetch(`planes?since=${this.psnr.length}`);
      if (told) this.take(told);
      else await pause(20 * PAUSE);
    }
  }

  /** One request at a time, after the pictures; null where it failed. */
  async fetch(path) {
    while (this.busy() || this.underWay) await pause(CALM);
    this.underWay = true;
    try {
      const answer = await fetch(path);
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    } finally {
      this.underWay = false;
    }
  }

  take(told) {
    this.psnr.push(...told.psnr);
    this.largest.push(...told.largest);
    this.image = told.image;
    this.changed();
  }
}

function pause(milliseconds) {
  return new Promise((done) => setTimeout(done, milliseconds));
}
