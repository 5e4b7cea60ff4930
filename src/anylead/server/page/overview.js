// A long recording on one line, and the window of it that is opened.

export class Overview {
  constructor(canvas, onChoose) {
    Object.assign(this, { canvas, onChoose, data: null, start: 0, length: 60 });
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect();
      this.choose(((event.clientX - box.left) / box.width) * this.data.seconds - this.length / 2);
    });
    canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
      if (event.key === "Home") this.choose(0);
      else if (event.key === "End") this.choose(this.data.seconds);
      else if (steps[event.key]) this.choose(this.start + steps[event.key] * this.length);
      else return;
      event.preventDefault();
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  show(data, start, length) {
    Object.assign(this, { data, start, length });
    this.canvas.parentElement.hidden = !data;
    if (data) this.draw();
  }

  choose(start) {
    const latest = Math.max(0, this.data.seconds - this.length);
    this.start = Math.round(Math.min(latest, Math.max(0, start)));
    this.draw();
    this.onChoose(this.start);
  }

  draw() {
    if (!this.data) return;
    const { canvas, data } = this;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    context.scale(ratio, ratio);
    context.fillStyle = color("sheet");
    context.fillRect(0, 0, width, height);
    const left = (this.start / data.seconds) * width;
    const wide = Math.max(4, (this.length / data.seconds) * width);
    context.fillStyle = `rgba(${color("for")}, .35)`;
    context.fillRect(left, 0, wide, height);
    const sizes = [...data.high, ...data.low.map((value) => -value)].sort((a, b) => a - b);
    const most = sizes[Math.floor(sizes.length * 0.99)] || 1; // artefacts shall not flatten the rest
    context.fillStyle = color("trace");
    const step = width / data.low.length;
    data.low.forEach((low, i) => {
      const top = height / 2 - Math.min(1, data.high[i] / most) * height * 0.45;
      const foot = height / 2 - Math.max(-1, low / most) * height * 0.45;
      context.fillRect(i * step, top, Math.max(0.7, step * 0.8), Math.max(0.8, foot - top));
    });
    context.strokeStyle = color("accent");
    context.lineWidth = 2;
    context.strokeRect(left + 1, 1, Math.max(2, wide - 2), height - 2);
    canvas.setAttribute("aria-valuemax", Math.round(data.seconds));
    canvas.setAttribute("aria-valuenow", this.start);
    canvas.setAttribute("aria-valuetext", `${clock(this.start)} of ${clock(data.seconds)}`);
  }
}

export function clock(seconds) {
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return whole >= 3600 ? `${Math.floor(whole / 3600)}:${rest}` : rest;
}
