// The ECG on millimetre paper: 25 mm/s, 10 mm/mV, drawn on a canvas; calipers on top of it.
// Everything is laid out in millimetres; `scale` is CSS pixels per millimetre.

const SPEED = 25;
const GAIN = 10;
const LEFT = 13;
const ROW = 24;
const TOP = 7;
const LEAST_SCALE = 2.6;
const FIT_SCALE = 4.5; // a short recording does not fill a wide screen
const MOST_SCALE = 14;
const MOST_PIXELS = 24e6;
const CLINIC = [
  ["I", "aVR", "V1", "V4"],
  ["II", "aVL", "V2", "V5"],
  ["III", "aVF", "V3", "V6"],
];

const STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];

export class Paper {
  constructor(canvas, scroller, onMeasure) {
    this.canvas = canvas;
    this.scroller = scroller;
    this.onMeasure = onMeasure;
    this.record = null;
    this.seen = new Set();
    this.saliency = null;
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
    this.caliper = null;
    this.start = 0;
    this.zoom = 1;
    this.draw();
  }

  get seconds() {
    return Math.min(10, this.record.signal[0].length / this.record.sample_rate - this.start);
  }

  // Which lead stands where: {lead, row, from, to} with seconds on the page.
  places() {
    const has = this.record.leads;
    const isStandard = CLINIC.flat().every((name) => has.includes(name));
    const narrow = this.scroller.clientWidth < 620;
    const layout = this.layout || (isStandard && !narrow ? "3x4" : "12x1");
    const length = this.seconds;
    if (layout === "12x1" || !isStandard) {
      return has.map((lead, row) => ({ lead, row, from: 0, to: length }));
    }
    if (layout === "6x2") {
      return STANDARD.map((lead) => {
        const at = STANDARD.indexOf(lead);
        const column = at < 6 ? 0 : 1;
        return { lead, row: at % 6, from: (column * length) / 2, to: ((column + 1) * length) / 2 };
      });
    }
    const places = [];
    CLINIC.forEach((leads, row) =>
      leads.forEach((lead, column) =>
        places.push({ lead, row, from: (column * length) / 4, to: ((column + 1) * length) / 4 }),
      ),
    );
    places.push({ lead: "II", row: 3, from: 0, to: length });
    return places;
  }

  draw() {
    if (!this.record) return;
    const places = this.places();
    this.rows = Math.max(...places.map((place) => place.row)) + 1;
    this.width = Math.ceil((LEFT + this.seconds * SPEED + 2) / 5) * 5;
    this.top = TOP + this.excess(places);
    this.height = Math.ceil((this.top + this.rows * ROW + 4) / 5) * 5;
    const room = Math.max(100, this.scroller.clientWidth - 2);
    this.fit = Math.max(LEAST_SCALE, Math.min(FIT_SCALE, room / this.width));
    this.scale = Math.min(MOST_SCALE, this.fit * this.zoom);
    this.canvas.dataset.scale = this.scale;
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
    this.drawGrid(context);
    for (const place of places) this.drawSaliency(context, place);
    for (const place of places) this.drawLead(context, place);
    for (let row = 0; row < this.rows; row += 1) this.drawMark(context, row);
    this.drawCaliper(context);
  }

  // Millimetres that the first row needs above its usual height.
  excess(places) {
    let highest = 0;
    for (const { lead, from, to } of places.filter((place) => place.row === 0)) {
      const index = this.record.leads.indexOf(lead);
      const rate = this.record.sample_rate;
      const part = this.record.signal[index].slice(
        Math.round((this.start + from) * rate), Math.round((this.start + to) * rate),
      );
      for (const value of part) {
        if (value !== null) highest = Math.max(highest, value - this.centre[index]);
      }
    }
    return Math.min(25, Math.max(0, Math.ceil(highest * this.unitGain - ROW * 0.55 - 4)));
  }

  baseline(row) {
    return this.top + ROW * (row + 0.55);
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
    const isSeen = this.seen.has(lead);
    const y0 = this.baseline(row);
    const first = Math.round((this.start + from) * rate);
    const last = Math.min(signal.length, Math.round((this.start + to) * rate) + 1);
    context.save();
    context.beginPath();
    context.rect(0, this.top + ROW * row - 20, this.width, ROW + 40); // a wild lead must not cover all
    context.clip();
    context.strokeStyle = this.color(isSeen ? "trace" : "dim");
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
      const y = y0 - (value - this.centre[index]) * this.unitGain;
      if (isDown) context.lineTo(x, y);
      else context.moveTo(x, y);
      isDown = true;
    }
    context.stroke();
    context.restore();
    context.fillStyle = this.color(isSeen ? "ink" : "soft");
    const size = Math.max(11.5, this.scale * 3.1) / this.scale;
    context.font = `600 ${size}px system-ui, "DejaVu Sans", sans-serif`;
    const text = isSeen ? lead : `${lead} (hidden)`;
    const every = to - from > 5 && this.width * this.scale > this.scroller.clientWidth + 5 ? 4 : to - from;
    context.strokeStyle = this.color("sheet");
    context.lineWidth = 4 / this.scale;
    for (let at = from; at < to - 0.5; at += every) {
      const place = [text, LEFT + at * SPEED + 1, y0 - ROW * 0.32];
      context.strokeText(...place); // keeps the name readable where a wave crosses it
      context.fillText(...place);
    }
    if (from > 0) this.drawTick(context, LEFT + from * SPEED, y0);
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

  drawSaliency(context, { lead, row, from, to }) {
    const index = this.saliency ? this.saliency.leads.indexOf(lead) : -1;
    if (index < 0) return;
    const values = this.saliency.values[index];
    const rate = this.saliency.sample_rate;
    const first = Math.floor((this.start + from) * rate);
    const last = Math.min(values.length, Math.ceil((this.start + to) * rate));
    const top = this.baseline(row) - ROW * 0.42;
    const step = SPEED / rate;
    for (let i = first; i < last; i += 1) {
      if (values[i] < 0.06) continue;
      context.fillStyle = `rgba(${this.color("saliency")}, ${0.6 * values[i]})`;
      context.fillRect(LEFT + (i / rate - this.start) * SPEED, top, step * 1.02, ROW * 0.8);
    }
  }

  drawMark(context, row) {
    const y = this.baseline(row);
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
      const y = this.baseline(Math.min(this.rows - 1, 1));
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
        this.caliper = { x1: x, y1: y, x2: x, y2: y };
        held = 2;
      }
      canvas.setPointerCapture(event.pointerId);
      this.measured();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (held === null) return;
      const { x, y } = place(event);
      this.caliper[`x${held}`] = x;
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
