// Samples from the server: what is wanted now is loaded first, the last ones are kept.

const ARRAYS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};

const KEPT = 128 << 20; // bytes of samples
const AT_ONCE = 4; // requests
const AGAIN = 2000; // milliseconds before a server that does not answer is asked again

/** The request of a tile, which is also its key. `at` has an index for each axis in `slots`. */
export function tileKey(slots, kind, level, row, column, channel, at) {
  const place = [...slots].map((a) => `&${a.toLowerCase()}=${a === "C" ? channel : at[a]}`);
  return `of=${kind}&level=${level}${place.join("")}&row=${row}&column=${column}`;
}

export class Tiles {
  /** `changed()` is called when a tile has come; `failed(text)` with what went wrong, or null. */
  constructor(changed, failed) {
    this.changed = changed;
    this.failed = failed;
    this.kept = new Map(); // key → tile, the one used last at the end
    this.bytes = 0;
    this.wanted = [];
    this.loading = new Map(); // key → AbortController
    this.refused = new Map(); // key → why
  }

  /** A tile {data, type, rows, columns}, or undefined while it is not here. */
  get(key) {
    const tile = this.kept.get(key);
    if (tile) {
      this.kept.delete(key);
      this.kept.set(key, tile);
    }
    return tile;
  }

  has(key) {
    return this.kept.has(key);
  }

  /** Load these, the first ones first; what else was under way is given up. */
  want(keys) {
    this.wanted = keys;
    const still = new Set(keys);
    for (const [key, control] of this.loading) if (!still.has(key)) control.abort();
    this.next();
  }

  /** Whether everything that was asked for is here. */
  get idle() {
    return this.loading.size === 0;
  }

  next() {
    for (const key of this.wanted) {
      if (this.loading.size >= AT_ONCE) return;
      if (!this.kept.has(key) && !this.loading.has(key) && !this.refused.has(key)) this.load(key);
    }
  }

  async load(key) {
    const control = new AbortController();
    this.loading.set(key, control);
    try {
      const answer = await fetch(`plane?${key}`, { signal: control.signal });
      if (answer.ok) {
        this.keep(key, await read(answer));
        this.failed(null);
      } else {
        const said = await answer.json().catch(() => ({}));
        this.refused.set(key, said.problem ?? `the server answered ${answer.status}`);
        this.failed([said.problem, said.field, said.fix].filter(Boolean).join("; "));
      }
    } catch (error) {
      if (error.name !== "AbortError") {
        this.failed("The server does not answer. Has inif view been ended?");
        await new Promise((done) => setTimeout(done, AGAIN));
      }
    }
    this.loading.delete(key);
    this.changed();
    this.next();
  }

  keep(key, tile) {
    this.kept.set(key, tile);
    this.bytes += tile.data.byteLength;
    for (const [old, { data }] of this.kept) {
      if (this.bytes <= KEPT || old === key) break;
      this.kept.delete(old);
      this.bytes -= data.byteLength;
    }
  }
}

async function read(answer) {
  const type = answer.headers.get("X-Type");
  const [rows, columns] = answer.headers.get("X-Shape").split(",").map(Number);
  return { data: new ARRAYS[type](await answer.arrayBuffer()), type, rows, columns };
}
