// What the model says, and how far to trust it.

import { at, capital, digits, element, percent } from "./elements.js";

const SHOWN = 10; // labels before "show all"; those above their threshold always stand there

export const titleOf = (model, label) => capital(model.titles[label] ?? label);

// answer: of /predict; full: probabilities with all leads, or null; onForce, onChoose: what to do.
export function drawAnswer({ model, answer, full, label, isWhole, onForce, onChoose }) {
  drawWarnings(answer, onForce);
  const probabilities = answer.probabilities;
  const order = Object.entries(full ?? probabilities)
    .filter(([name]) => name in probabilities).sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const isLong = order.length > SHOWN + 2;
  const rows = order.map((name, rank) => {
    const row = labelRow({ model, answer, before: full?.[name], name, isChosen: name === label, onChoose });
    row.hidden = isLong && rank >= SHOWN && !answer.decisions[name] && name !== label;
    return row;
  });
  const numbers = Object.entries(answer.values).map(([name, value]) => element("div", { class: "label" },
    element("span", { class: "name" }, titleOf(model, name)),
    element("span", { class: "value", "data-label": name }, digits(value))));
  at("labels").replaceChildren(...rows, ...numbers);
  const hidden = rows.filter((row) => row.hidden);
  at("more").hidden = hidden.length === 0;
  at("more").textContent = `Show all ${rows.length} labels`;
  at("more").onclick = () => {
    for (const row of hidden) row.hidden = false;
    at("more").hidden = true;
  };
  const seen = isWhole ? `from ${answer.leads.length} leads` : `from ${answer.leads.join(", ")}`;
  const limits = Object.keys(answer.thresholds).length;
  const isExclusive = !limits && Object.values(answer.decisions).some(Boolean);
  at("answer-hint").textContent = numbers.length ? `Each number in its own unit, ${seen}.` : order.length === 0 ? "" : [
    `Probability of each ${isExclusive ? "class" : "label"}, ${seen}.`,
    limits ? "From the mark on the bar the model says yes."
      : isExclusive ? "Classes exclude each other: the most probable one is the answer."
        : "This model holds no thresholds: no yes or no.",
    isWhole ? "" : "The grey mark and the difference are to all leads.",
  ].filter(Boolean).join(" ");
  at("trust").replaceChildren(...grounds(model, answer));
  describe({ model, answer, name: label });
}

function drawWarnings(answer, onForce) {
  const lines = answer.warnings.map((text) => element("li", {}, capital(text)));
  const box = at("warnings");
  box.hidden = !lines.length && !answer.refusal;
  if (box.hidden) return box.replaceChildren();
  const isAnswered = Object.keys({ ...answer.probabilities, ...answer.values }).length > 0;
  const head = answer.refusal
    ? `${isAnswered ? "Doubtful" : "No answer"}: ${answer.refusal}.` : "The signal speaks against trusting the answer:";
  box.replaceChildren(element("p", {}, element("strong", {}, head)), element("ul", {}, ...lines));
  if (answer.refusal && !isAnswered) {
    const button = element("button", { type: "button", id: "force" }, "Answer anyway");
    button.addEventListener("click", onForce);
    box.append(button);
  }
  return box;
}

function labelRow({ model, answer, before, name, isChosen, onChoose }) {
  const value = answer.probabilities[name];
  const threshold = answer.thresholds[name];
  const isYes = answer.decisions[name];
  const radio = element("input", { type: "radio", name: "label", value: name });
  radio.checked = isChosen;
  radio.addEventListener("change", () => onChoose(name));
  const fill = element("span", { class: "fill" });
  fill.style.transform = `scaleX(${value})`;
  const title = titleOf(model, name);
  const words = element("span", { class: "name" }, title);
  if (title.toLowerCase() !== name.toLowerCase()) words.append(" ", element("small", {}, name));
  const row = element("label", {
    class: isYes ? "label yes" : "label", title: meaning({ model, answer, name }),
  }, fill, radio, words);
  if (threshold !== undefined) {
    const mark = element("span", { class: "threshold" });
    mark.style.left = `calc(${100 * threshold}% - 1px)`;
    row.append(mark);
  }
  if (isYes) row.append(element("span", { class: "verdict" }, threshold === undefined ? "answer" : "yes"));
  if (before !== undefined && Math.abs(before - value) >= 0.005) {
    const mark = element("span", { class: "before" });
    mark.style.left = `calc(${100 * before}% - 1px)`;
    const change = Math.round(100 * (value - before));
    row.append(mark, element("span", { class: "change" }, `${change > 0 ? "+" : "−"}${Math.abs(change)}`));
  }
  row.append(element("span", { class: "value", "data-label": name }, percent(value)));
  const tell = () => describe({ model, answer, name });
  row.addEventListener("pointerenter", tell);
  row.addEventListener("focusin", tell);
  return row;
}

// One sentence on a label.
function meaning({ model, answer, name }) {
  const value = percent(answer.probabilities[name]);
  const threshold = answer.thresholds[name];
  if (threshold === undefined) return `${titleOf(model, name)}: ${value}.`;
  const set = answer.decided_with ? `, chosen with ${setOf(model, answer.decided_with)}` : "";
  const word = answer.decisions[name] ? "yes" : "no";
  return `${titleOf(model, name)}: ${value}, so ${word}; yes begins at ${percent(threshold)}${set}.`;
}

function describe({ model, answer, name }) {
  at("meaning").textContent = name in answer.probabilities ? meaning({ model, answer, name }) : "";
}

const setOf = (model, name) => (name in model.lead_sets ? `${name} lead${name === "1" ? "" : "s"}` : name);

function grounds(model, answer) {
  return [
    capital(answer.measured.replace(/\b(auroc|auprc|f1)\b/g, (name) => name.toUpperCase())),
    `Model ${model.about.name}, version ${model.about.version}: ${model.about.trained}`,
  ].map((text) => element("li", {}, `${text}.`));
}
