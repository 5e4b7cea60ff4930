// The ECG on millimetre paper: 25 mm/s, 10 mm/mV, drawn on a canvas; calipers on top of it.
// Everything is laid out in millimetres; `scale` is CSS pixels per millimetre.

import { clipped, GAIN, LEFT, places, SPEED, stack } from "./layout.js";

const LEAST_SCALE = 2.6;
const FIT_SCALE = 4.5; // a short recording does not fill a wide screen
const MOST_SCALE = 14;
const MOST_PIXELS = 24e6;
const SNAP = 5; // pixels within which a caliper takes the boundary of a wave
const FONT = 'system-ui, "DejaVu Sans", sans-serif';

export class Paper {
  // names: an element beside the canvas for the names of rows, which stay while the page scrolls.
  constructor({ canvas, scroller, names, onMeasure, onScroll }) {
    Object.assign(this, { canvas, scroller, names, onMeasure, onScroll });
    this.record = null;
    this.seen = new Set();
    this.saliency = null;
    this.waves = null; // of /delineate
    this.layout = "";
    this.start = 0;
    this.zoom = 1;
    this.isMeasuring = false;
    this.caliper = null;
    this.listen();
  }

  show(record) {
    this.record = record;
    this.centre = record.signal.map(median);
    this.unitGain = record.unit === "mV" ? GAIN : (2 * GAIN) / typicalSize(record, this.centre);
    this.saliency = null;
    this.waves = null;
    this.caliper = null;
    this.start = 0;
    this.zoom = 1;
    this.draw();
  }

  get seconds() {
    return Math.min(10, this.record.signal[0].length / this.record.sample_rate - this.start);
  }

  // Millimetres above the baseline, of one place.
  trace({ lead, from, to }) {
    const index = this.record.leads.indexOf(lead);
    const rate = this.record.sample_rate;
    const part = this.record.signal[index].slice(
      Math.round((this.start + from) * rate), Math.round((this.start + to) * rate) + 1);
    return part.map((value) => (value === null ? 0 : clipped((value - this.centre[index]) * this.unitGain)));
  }

  draw() {
    if (!this.record) return;
    this.width = Math.ceil((LEFT + this.seconds * SPEED + 2) / 5) * 5;
    const room = Math.max(100, this.scroller.clientWidth - 2);
    this.fit = Math.max(LEAST_SCALE, Math.min(FIT_SCALE, room / this.width));
    this.scale = Math.min(MOST_SCALE, this.fit * this.zoom);
    const all = places(this.record.leads, this.layout, this.seconds, this.scroller.clientWidth < 620);
    const letter = Math.max(11.5, this.scale * 3.1) / this.scale;
    const widest = Math.max(...this.record.leads.map((lead) => this.nameOf(lead).length));
    const size = { height: letter, width: 0.64 * letter * widest + 2 };
    const { baselines, height } = stack(all, (place) => this.trace(place), size, this.seconds);
    Object.assign(this, { baselines, height, letter });
    this.canvas.dataset.scale = this.scale;
    this.canvas.dataset.baselines = baselines.join(" ");
    const context = this.sheet();
    this.drawGrid(context);
    this.all = all;
    for (const place of all) this.drawWaves(context, place);
    for (const place of all) this.drawSaliency(context, place);
    for (const place of all) this.drawLead(context, place);
    for (const place of all.filter((each) => each.from > 0)) this.drawName(context, place);
    baselines.forEach((_, row) => this.drawMark(context, row));
    this.drawCaliper(context);
    this.placeNames(all.filter((each) => each.from === 0));
    this.onScroll();
  }

  nameOf(lead) {
    return this.seen.has(lead) ? lead : `${lead} hidden`;
  }

  // The canvas in its size, empty.
  sheet() {
    const width = this.width * this.scale;
    const height = this.height * this.scale;
    const ratio = Math.min(window.devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / (width * height)));
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio * this.scale, 0, 0, ratio * this.scale, 0, 0);
    const style = getComputedStyle(document.documentElement);
    this.color = (name) => style.getPropertyValue(`--${name}`).trim();
    context.fillStyle = this.color("sheet");
    context.fillRect(0, 0, this.width, this.height);
    return context;
  }

  // Names of rows stand below the calibration marks and stay there while the page scrolls.
  placeNames(rows) {
    this.names.style.height = `${this.height * this.scale}px`;
    this.names.replaceChildren(...rows.map(({ lead, row }) => {
      const name = document.createElement("span");
      name.textContent = lead;
      name.className = this.seen.has(lead) ? "" : "unseen";
      if (!this.seen.has(lead)) name.title = "hidden from the model";
      name.style.top = `${(this.baselines[row] + 1.5) * this.scale}px`;
      name.style.fontSize = `${this.letter * this.scale}px`;
      return name;
    }));
  }

  // Seconds that are to be seen, or null where all are.
  shown() {
    const { scrollLeft, clientWidth, scrollWidth } = this.scroller;
    if (!this.record || scrollWidth <= clientWidth + 5) return null;
    const at = (x) => Math.min(this.seconds, Math.max(0, (x / this.scale - LEFT) / SPEED));
    return [at(scrollLeft), at(scrollLeft + clientWidth)];
  }

  drawGrid(context) {
    const steps = this.scale >= 2.5 ? [[1, "fine"], [5, "coarse"]] : [[5, "coarse"]];
    for (const [step, color] of steps) {
      context.strokeStyle = this.color(color);
      context.lineWidth = Math.max(0.6, this.scale * 0.1) / this.scale;
      context.beginPath();
      for (let x = 0; x <= this.width; x += step) {
        context.moveTo(x, 0);
        context.lineTo(x, this.height);
      }
      for (let y = 0; y <= this.height; y += step) {
        context.moveTo(0, y);
        context.lineTo(this.width, y);
      }
      context.stroke();
    }
  }

  drawLead(context, { lead, row, from, to }) {
    const index = this.record.leads.indexOf(lead);
    const signal = this.record.signal[index];
    const rate = this.record.sample_rate;
    const y0 = this.baselines[row];
    const first = Math.round((this.start + from) * rate);
    const last = Math.min(signal.length, Math.round((this.start + to) * rate) + 1);
    context.strokeStyle = this.color(this.seen.has(lead) ? "trace" : "dim");
    context.lineWidth = Math.max(1.1, this.scale * 0.25) / this.scale;
    context.lineJoin = "round";
    context.beginPath();
    let isDown = false;
    for (let i = first; i < last; i += 1) {
      const value = signal[i];
      if (value === null) {
        isDown = false;
        continue;
      }
      const x = LEFT + (i / rate - this.start) * SPEED;
      const y = y0 - clipped((value - this.centre[index]) * this.unitGain);
      if (isDown) context.lineTo(x, y);
      else context.moveTo(x, y);
      isDown = true;
    }
    context.stroke();
    if (from > 0) this.drawTick(context, LEFT + from * SPEED, y0);
  }

  drawName(context, { lead, row, from, nameAbove }) {
    context.fillStyle = this.color(this.seen.has(lead) ? "ink" : "soft");
    context.font = `600 ${this.letter}px ${FONT}`;
    context.fillText(this.nameOf(lead), LEFT + from * SPEED + 1, this.baselines[row] - nameAbove);
  }

  // Parts a lead from the one before it in the row.
  drawTick(context, x, y) {
    context.strokeStyle = this.color("ink");
    context.lineWidth = 1.2 / this.scale;
    context.beginPath();
    for (const sign of [-1, 1]) {
      context.moveTo(x, y + sign * 2);
      context.lineTo(x, y + sign * 4.5);
    }
    context.stroke();
  }

  // Millimetres of the page that the trace of a place needs: its top and its height.
  band(place) {
    const trace = this.trace(place);
    const high = trace.reduce((most, value) => Math.max(most, value), 4) + 1;
    const low = trace.reduce((least, value) => Math.min(least, value), -4) - 1;
    return [this.baselines[place.row] - high, high - low];
  }

  drawWaves(context, place) {
    const [top, height] = this.band(place);
    for (const { lead, name, onset, offset } of this.waves ?? []) {
      const from = Math.max(onset - this.start, place.from);
      const to = Math.min(offset - this.start, place.to);
      if (lead !== place.lead || from >= to) continue;
      context.fillStyle = this.color(`wave-${name}`);
      context.fillRect(LEFT + from * SPEED, top, (to - from) * SPEED, height);
    }
  }

  // The caliper on a stretch of the recording, in its middle of the page.
  point(from, to) {
    const middle = (from + to) / 2 - this.start;
    const holds = ({ from: begin, to: end }) => begin <= middle && middle <= end;
    const place = this.all.findLast(holds) ?? this.all[0];
    const [x1, x2] = [from, to].map((time) => LEFT + (time - this.start) * SPEED);
    const y = this.baselines[place.row];
    this.caliper = { x1, y1: y, x2, y2: y };
    this.isMeasuring = true;
    this.measured();
    this.scroller.scrollLeft = ((x1 + x2) / 2) * this.scale - this.scroller.clientWidth / 2;
  }

  // The boundary of a wave that is near, or where it is.
  snapped(x) {
    const near = (this.waves ?? []).flatMap(({ onset, offset }) => [onset, offset])
      .map((time) => LEFT + (time - this.start) * SPEED)
      .reduce((best, each) => (Math.abs(each - x) < Math.abs(best - x) ? each : best), Infinity);
    return Math.abs(near - x) * this.scale < SNAP ? near : x;
  }

  // Blue speaks for the answer, orange against it.
  drawSaliency(context, place) {
    const index = this.saliency ? this.saliency.leads.indexOf(place.lead) : -1;
    if (index < 0) return;
    const values = this.saliency.values[index];
    const rate = this.saliency.sample_rate;
    const first = Math.floor((this.start + place.from) * rate);
    const last = Math.min(values.length, Math.ceil((this.start + place.to) * rate));
    const [top, height] = this.band(place);
    const step = SPEED / rate;
    for (let i = first; i < last; i += 1) {
      const size = Math.abs(values[i]);
      if (size < 0.06) continue;
      context.fillStyle = `rgba(${this.color(values[i] > 0 ? "for" : "against")}, ${0.6 * size})`;
      context.fillRect(LEFT + (i / rate - this.start) * SPEED, top, step * 1.02, height);
    }
  }

  drawMark(context, row) {
    const y = this.baselines[row];
    context.strokeStyle = this.color("trace");
    context.lineWidth = Math.max(1, this.scale * 0.22) / this.scale;
    context.beginPath();
    [[3, 0], [5, 0], [5, -GAIN], [10, -GAIN], [10, 0], [12, 0]].forEach(([x, dy], i) =>
      i ? context.lineTo(x, y + dy) : context.moveTo(x, y + dy),
    );
    context.stroke();
  }

  drawCaliper(context) {
    if (!this.isMeasuring || !this.caliper) return;
    const { x1, y1, x2, y2 } = this.caliper;
    context.strokeStyle = context.fillStyle = this.color("caliper");
    context.lineWidth = 1.6 / this.scale;
    context.beginPath();
    for (const x of [x1, x2]) {
      context.moveTo(x, 0);
      context.lineTo(x, this.height);
    }
    const reach = 4;
    for (const y of [y1, y2]) {
      context.moveTo(Math.min(x1, x2) - reach, y);
      context.lineTo(Math.max(x1, x2) + reach, y);
    }
    context.stroke();
    for (const [x, y] of [[x1, y1], [x2, y2]]) {
      context.beginPath();
      context.arc(x, y, 5 / this.scale, 0, 7);
      context.fill();
    }
  }

  setZoom(zoom) {
    const { scroller } = this;
    const middle = (scroller.scrollLeft + scroller.clientWidth / 2) / scroller.scrollWidth;
    this.zoom = Math.min(MOST_SCALE / this.fit, Math.max(1, zoom));
    this.draw();
    scroller.scrollLeft = middle * scroller.scrollWidth - scroller.clientWidth / 2;
  }

  setMeasuring(isOn) {
    this.isMeasuring = isOn;
    this.canvas.classList.toggle("measuring", isOn);
    if (isOn && !this.caliper) {
      const x = (this.scroller.scrollLeft + this.scroller.clientWidth * 0.4) / this.scale;
      const y = this.baselines[Math.min(this.baselines.length - 1, 1)];
      this.caliper = { x1: x, y1: y, x2: x + 20, y2: y - GAIN };
    }
    this.measured();
  }

  measured() {
    this.draw();
    if (!this.isMeasuring || !this.caliper) {
      this.onMeasure("");
      return;
    }
    const { x1, y1, x2, y2 } = this.caliper;
    const seconds = Math.abs(x2 - x1) / SPEED;
    const height = Math.abs(y2 - y1) / this.unitGain;
    const rate = seconds >= 0.05 ? ` · ${Math.round(60 / seconds)} bpm` : "";
    this.onMeasure(`${Math.round(seconds * 1000)} ms${rate} · ${height.toFixed(2)} ${this.record.unit}`);
  }

  listen() {
    const { canvas } = this;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      const inside = (value, most) => Math.min(most, Math.max(0, value));
      return {
        x: inside((event.clientX - box.left) / this.scale, this.width),
        y: inside((event.clientY - box.top) / this.scale, this.height),
      };
    };
    let held = null; // which end is being dragged
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.isMeasuring) return;
      const { x, y } = place(event);
      const near = 14 / this.scale;
      const c = this.caliper;
      held = null;
      for (const end of [1, 2]) {
        if (c && Math.hypot(x - c[`x${end}`], y - c[`y${end}`]) < near) held = end;
      }
      if (held === null) {
        this.caliper = { x1: this.snapped(x), y1: y, x2: x, y2: y };
        held = 2;
      }
      canvas.setPointerCapture(event.pointerId);
      this.measured();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held === null) return;
      const { x, y } = place(event);
      this.caliper[`x${held}`] = this.snapped(x);
      this.caliper[`y${held}`] = y;
      this.measured();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => {
        held = null;
      });
    }
    canvas.addEventListener("keydown", (event) => this.onKey(event));
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.setZoom(this.zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2));
    }, { passive: false });
    this.scroller.addEventListener("scroll", () => this.onScroll(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.scroller);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  onKey(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "+" || event.key === "=") this.setZoom(this.zoom * 1.4);
    else if (event.key === "-") this.setZoom(this.zoom / 1.4);
    else if (event.key === "0") this.setZoom(1);
    else if (this.isMeasuring && this.caliper && moves[event.key]) {
      const end = event.shiftKey ? 1 : 2;
      const [dx, dy] = moves[event.key];
      this.caliper[`x${end}`] += dx * 0.5; // 20 ms
      this.caliper[`y${end}`] += dy * 0.5; // 0.05 mV
      this.measured();
    } else return;
    event.preventDefault();
  }
}

function median(row) {
  const sorted = Float64Array.from(row.filter((value) => value !== null)).sort();
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}

// Of recordings without voltage: what stands for 2 mV on the page.
function typicalSize(record, centre) {
  const sizes = record.signal.map((row, i) => {
    const sorted = Float64Array.from(row, (value) => Math.abs((value ?? centre[i]) - centre[i])).sort();
    return sorted[Math.floor(sorted.length * 0.995)];
  });
  return Math.max(...sizes) || 1;
}
