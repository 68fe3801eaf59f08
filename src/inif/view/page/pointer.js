// Mouse, trackpad and fingers on the panels: pan, zoom, planes, and where the cursor is.

import { panBy, toSamples, toScreen, zoomAt } from "./geometry.js";

const NOTCH = 100; // of a wheel's turning, in its own units, for one plane

export class Pointer {
  /** `pointed()` is called when the place under the cursor may have changed. */
  constructor(stage, state, pointed) {
    Object.assign(this, { stage, state, pointed });
    this.place = null; // [row, column] among samples, or null outside
    this.turned = 0;
    this.down = new Map(); // pointers that are pressed: id → [y, x]
    for (const one of Object.values(stage.panels)) this.follow(one.canvas);
  }

  follow(canvas) {
    canvas.addEventListener("wheel", (event) => this.wheel(event, canvas), { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.down.set(event.pointerId, at(event, canvas));
    });
    canvas.addEventListener("pointermove", (event) => this.move(event, canvas));
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => this.down.delete(event.pointerId));
    }
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("dblclick", () => this.state.set({ zoom: 0, center: null }));
  }

  /** The wheel zooms; with Shift it goes through planes, with Alt through the second axis. */
  wheel(event, canvas) {
    event.preventDefault();
    const unit = [1, 33, 400][event.deltaMode];
    const delta = (event.deltaY || event.deltaX) * unit;
    const axis = event.shiftKey ? this.state.axis(0) : event.altKey ? this.state.axis(1) : null;
    if (event.shiftKey || event.altKey) {
      if (!axis) return;
      this.turned += delta;
      const steps = Math.trunc(this.turned / NOTCH) || (Math.abs(delta) >= 50 ? Math.sign(delta) : 0);
      if (steps) this.turned = 0;
      this.state.go(axis, this.state.at[axis] + steps);
      return;
    }
    const factor = Math.exp(-delta * (event.ctrlKey ? 0.01 : 0.0015));
    this.state.set(zoomAt(this.stage.view, this.stage.info, factor, ...at(event, canvas)));
  }

  move(event, canvas) {
    const now = at(event, canvas);
    const before = this.down.get(event.pointerId);
    if (before) {
      const other = [...this.down].find(([id]) => id !== event.pointerId)?.[1];
      const { view, info } = this.stage;
      if (other) {
        const spread = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
        this.state.set(zoomAt(view, info, spread(now) / spread(before), ...other));
      } else {
        this.state.set(panBy(view, info, now[0] - before[0], now[1] - before[1]));
      }
      this.down.set(event.pointerId, now);
    }
    this.point(toSamples(this.stage.view, ...now), canvas);
  }

  /** Keep the place under the cursor, and mark it in the other panels. */
  point(place, canvas) {
    const [rows, columns] = this.stage.info.levels[0].shape;
    const inside = place && place[0] >= 0 && place[1] >= 0 && place[0] < rows && place[1] < columns;
    this.place = inside ? place.map(Math.floor) : null;
    for (const one of this.stage.shown) {
      one.cross.hidden = !inside || one.canvas === canvas;
      if (one.cross.hidden) continue;
      const [top, left] = toScreen(this.stage.view, ...place);
      Object.assign(one.cross.style, { top: `${top}px`, left: `${left}px` });
    }
    this.pointed();
  }
}

function at(event, canvas) {
  const box = canvas.getBoundingClientRect();
  return [event.clientY - Math.round(box.top), event.clientX - Math.round(box.left)];
}
