// The median beat of one lead with the boundaries of its waves, and calipers that snap to them.

import { at, element } from "./elements.js";

const BEFORE = 0.35; // seconds shown before QRS onset
const AFTER = 0.65; // and behind it
const SNAP = 8; // pixels within which a caliper takes a boundary
const STEP = 0.01; // seconds of an arrow key away from boundaries
const PARTS = [["P", -1], ["QRS", 0], ["T", 1]];

export class MedianBeat {
  constructor(canvas) {
    this.canvas = canvas;
    this.beat = null;
    at("median-lead").addEventListener("change", () => this.choose(at("median-lead").value));
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  // record: as opened; found: of /delineate, or null.
  show(record, found) {
    Object.assign(this, { record, found, beat: null });
    const leads = (found?.leads ?? []).filter((lead) => record.leads.includes(lead));
    const usual = leads.includes("II") ? "II" : leads[0];
    const before = at("median-lead").value;
    at("median-lead").replaceChildren(...leads.map((lead) => element("option", { value: lead }, lead)));
    at("median-lead").value = leads.includes(before) ? before : usual ?? "";
    this.choose(at("median-lead").value);
  }

  choose(lead) {
    this.beat = lead ? medianBeat(this.record, this.found, lead) : null;
    at("median").hidden = !this.beat;
    if (!this.beat) return;
    const { boundaries } = this.beat;
    this.ends = [boundaries.find(({ name }) => name === "QRS onset").time,
      (boundaries.findLast(({ name }) => name === "T offset") ?? boundaries.at(-1)).time];
    this.draw();
  }

  draw() {
    if (!this.beat) return;
    const { canvas } = this;
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width) return;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const values = this.beat.values;
    const low = Math.min(-0.2, ...values);
    const high = Math.max(0.4, ...values);
    const room = 20; // for names of boundaries
    const y = (value) => room + ((high - value) / (high - low)) * (height - room - 8);
    this.x = (time) => ((time + BEFORE) / (BEFORE + AFTER)) * width;
    context.fillStyle = color("sheet");
    context.fillRect(0, 0, width, height);
    this.drawGrid(context, color, y, low, high, width, height);
    for (const { name, from, to } of this.beat.waves) {
      context.fillStyle = color(`wave-${name}`);
      context.fillRect(this.x(from), room, this.x(to) - this.x(from), height - room);
      context.fillStyle = color("ink");
      context.font = '600 12px system-ui, "DejaVu Sans", sans-serif';
      context.textAlign = "center";
      context.fillText(name, this.x((from + to) / 2), 14);
    }
    context.strokeStyle = color("trace");
    context.lineWidth = 1.6;
    context.lineJoin = "round";
    context.beginPath();
    values.forEach((value, i) => context.lineTo(this.x(this.beat.start + i / this.record.sample_rate), y(value)));
    context.stroke();
    context.strokeStyle = color("caliper");
    context.lineWidth = 1.8;
    for (const end of this.ends) {
      context.beginPath();
      context.moveTo(this.x(end), room - 4);
      context.lineTo(this.x(end), height);
      context.stroke();
    }
    this.tell();
  }

  // Lines each 40 ms and each 0.1 mV, as on the page; of recordings without voltage the time only.
  drawGrid(context, color, y, low, high, width, height) {
    const line = (name, x1, y1, x2, y2) => {
      context.strokeStyle = color(name);
      context.lineWidth = 0.7;
      context.beginPath();
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
      context.stroke();
    };
    for (let n = Math.ceil(-BEFORE / 0.04); n * 0.04 <= AFTER; n += 1) {
      line(n % 5 ? "fine" : "coarse", this.x(n * 0.04), 0, this.x(n * 0.04), height);
    }
    if (this.record.unit !== "mV") return;
    const step = high - low > 4 ? 0.5 : 0.1;
    for (let n = Math.ceil(low / step); n * step <= high; n += 1) {
      line(n % 5 ? "fine" : "coarse", 0, y(n * step), width, y(n * step));
    }
  }

  // What lies between the calipers, in ms, and the names of boundaries that they stand on.
  tell() {
    const named = (time) => this.beat.boundaries.find((each) => Math.abs(each.time - time) < 1e-6)?.name;
    const [from, to] = [...this.ends].sort((a, b) => a - b);
    const names = [named(from), named(to)];
    const what = names.every(Boolean) ? `${names[0]} to ${names[1]}: ` : "";
    at("median-measure").textContent = `${what}${Math.round(1000 * (to - from))} ms`;
    at("median-hint").textContent = `Median of ${this.beat.count} beats. Drag the lines, or use the arrow keys (Shift: the first line).`;
  }

  snapped(time) {
    const near = this.beat.boundaries.map((each) => each.time)
      .reduce((best, each) => (Math.abs(each - time) < Math.abs(best - time) ? each : best), Infinity);
    return Math.abs(this.x(near) - this.x(time)) < SNAP ? near : time;
  }

  listen() {
    const { canvas } = this;
    let held = null;
    const time = (event) => {
      const box = canvas.getBoundingClientRect();
      const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      return share * (BEFORE + AFTER) - BEFORE;
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (!this.beat) return;
      const here = time(event);
      held = Math.abs(this.ends[0] - here) < Math.abs(this.ends[1] - here) ? 0 : 1;
      canvas.setPointerCapture(event.pointerId);
      this.ends[held] = this.snapped(here);
      this.draw();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held === null) return;
      this.ends[held] = this.snapped(time(event));
      this.draw();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, () => {
        held = null;
      });
    }
    canvas.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!way || !this.beat) return;
      event.preventDefault();
      const end = event.shiftKey ? 0 : 1;
      const here = this.ends[end];
      const next = Math.min(AFTER, Math.max(-BEFORE, here + way * STEP));
      // A boundary on the way stops the line.
      const met = this.beat.boundaries.map((each) => each.time)
        .find((each) => way * (each - here) > 1e-6 && way * (next - each) >= 0);
      this.ends[end] = met ?? next;
      this.draw();
    });
  }
}

// Values from `start` seconds after QRS onset on, and where waves begin and end; null without beats.
function medianBeat(record, found, lead) {
  const waves = found.waves.filter((wave) => wave.lead === "global").sort((a, b) => a.onset - b.onset);
  const row = record.signal[record.leads.indexOf(lead)];
  const rate = record.sample_rate;
  const [left, length] = [Math.round(BEFORE * rate), Math.round((BEFORE + AFTER) * rate)];
  const cuts = [];
  const times = {};
  waves.forEach((wave, i) => {
    if (wave.name !== "QRS") return;
    for (const [name, step] of PARTS) {
      const other = waves[i + step];
      if (other?.name !== name) continue;
      for (const side of ["onset", "offset"]) (times[`${name} ${side}`] ??= []).push(other[side] - wave.onset);
    }
    const first = Math.round(wave.onset * rate) - left;
    const cut = row.slice(Math.max(0, first), first + length);
    if (first < 0 || cut.length < length || cut.includes(null)) return;
    const level = middle(cut.slice(Math.max(0, left - Math.ceil(0.02 * rate)), left + 1));
    cuts.push(cut.map((value) => value - level));
  });
  if (!cuts.length) return null;
  const beats = waves.filter((wave) => wave.name === "QRS").length;
  const boundaries = Object.entries(times).filter(([, all]) => 2 * all.length >= beats)
    .map(([name, all]) => ({ name, time: middle(all) })).sort((a, b) => a.time - b.time);
  const of = (name) => boundaries.find((each) => each.name === name)?.time;
  return {
    count: cuts.length, start: -left / rate, boundaries,
    values: Array.from({ length }, (_, i) => middle(cuts.map((cut) => cut[i]))),
    waves: PARTS.map(([name]) => ({ name, from: of(`${name} onset`), to: of(`${name} offset`) }))
      .filter(({ from, to }) => from !== undefined && to !== undefined),
  };
}

function middle(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}
