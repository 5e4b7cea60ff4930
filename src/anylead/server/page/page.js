// What the page does: open a recording, choose leads, show what the model says.

import { bodyOf, get, send, sendFiles } from "./api.js";
import { Paper } from "./paper.js";

const at = (id) => document.getElementById(id);
const state = {
  model: null,
  record: null,
  body: "",
  seen: new Set(), // leads the model may see
  full: null, // probabilities with all leads
  probabilities: null,
  label: null, // the one that is explained
  isChosen: false, // by a person, not by being the most probable
  explanation: null,
  identity: null,
};
const paper = new Paper(at("paper"), at("scroller"), (text) => {
  at("measure").textContent = text;
});
const controllers = {};

function tell(text) {
  at("status").textContent = text;
}

function complain(text) {
  at("error").textContent = text;
  at("error").hidden = !text;
}

// The newest request of a kind wins; the one before is given up.
async function newest(kind, work) {
  controllers[kind]?.abort();
  const controller = (controllers[kind] = new AbortController());
  try {
    const result = await work(controller.signal);
    return controller.signal.aborted ? null : result;
  } catch (error) {
    if (error.name !== "AbortError" && !controller.signal.aborted) complain(error.message);
    return null;
  }
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

const standard = () => state.model.lead_sets["12"];
const usable = () => state.model.leads.filter((lead) => state.record.leads.includes(lead));
const isClassifier = () => state.model.kind === "classification";
// All leads is the absence of a choice, for models that were trained on few.
const chosen = () => (state.seen.size === usable().length ? "" : [...state.seen].join(","));

async function open(load) {
  complain("");
  tell("reading …");
  const record = await newest("read", load);
  if (!record) return tell("");
  Object.assign(state, {
    record, body: bodyOf(record), full: null, probabilities: null, explanation: null,
    identity: null, label: null, isChosen: false,
  });
  state.seen = new Set(usable());
  for (const name of ["ecg", "leads", "save"]) document.querySelector(`.${name}`).hidden = false;
  document.querySelector(".answer").hidden = !isClassifier();
  document.querySelector("main").classList.remove("empty");
  const seconds = record.signal[0].length / record.sample_rate;
  const about = Object.values(record.about ?? {}).join(", ");
  tell("");
  at("ecg-title").textContent = record.name;
  at("paper").setAttribute("aria-label", `ECG page of ${record.name}: ${record.leads.join(", ")}`);
  at("paper-hint").textContent = [
    "25 mm/s", record.unit === "mV" ? "10 mm/mV" : "no voltage: scale chosen",
    `${record.leads.length} leads`, `${seconds.toFixed(1)} s`, `${record.sample_rate} Hz`, about,
  ].filter(Boolean).join(" · ");
  at("start-label").hidden = seconds <= 10.5;
  at("start").max = Math.max(0, Math.floor(seconds - 10));
  at("start").value = 0;
  at("start-value").textContent = "0 s";
  drawBoxes();
  paper.seen = state.seen;
  paper.show(record);
  paper.measured();
  await refresh();
}

async function refresh() {
  complain("");
  state.explanation = null;
  paper.saliency = null;
  paper.draw();
  drawSets();
  if (state.seen.size === 0) {
    complain("The model needs at least one lead.");
    return;
  }
  await Promise.all([predict(), identify()]);
  await explain();
}

async function predict() {
  if (!isClassifier()) return;
  at("labels").setAttribute("aria-busy", "true");
  const answer = await newest("predict", async (signal) =>
    (await send("/predict", { use_leads: chosen() }, state.body, signal)).json());
  if (answer) {
    state.probabilities = answer.recordings[0].probabilities;
    if (state.seen.size === usable().length) state.full = state.probabilities;
    drawLabels();
  }
  at("labels").removeAttribute("aria-busy");
}

async function identify() {
  if (!state.model.has_gallery) return;
  const answer = await newest("identify", async (signal) =>
    (await send("/identify", { use_leads: chosen() }, state.body, signal)).json());
  if (!answer) return;
  state.identity = answer.recordings[0];
  document.querySelector(".gallery").hidden = false;
  const { person, persons, nearest, threshold } = state.identity;
  at("person").replaceChildren(
    element("strong", {}, person === "unknown" ? "Nobody in the gallery" : person),
    ` (nearest: ${persons[0].person}, cosine ${persons[0].cosine.toFixed(3)}; known from ${threshold.toFixed(3)})`,
  );
  at("nearest").replaceChildren(...nearest.map((each) => element("tr", {},
    element("td", {}, each.person), element("td", {}, each.file),
    element("td", {}, each.labels.join(", ") || "–"), element("td", {}, each.cosine.toFixed(3)))));
}

async function explain() {
  state.explanation = null;
  paper.saliency = null;
  if (at("shade").checked && isClassifier()) {
    tell("looking for what the answer rests on …");
    const options = { method: at("method").value, label: state.label, use_leads: chosen() };
    state.explanation = await newest("explain", async (signal) =>
      (await send("/explain", options, state.body, signal)).json());
    if (state.explanation) {
      paper.saliency = state.explanation.saliency;
      tell(`shaded: what "${state.explanation.label}" rests on`);
    }
  } else controllers.explain?.abort();
  paper.draw();
  drawFalls();
}

function drawBoxes() {
  at("boxes").replaceChildren(...standard().map((lead) => {
    const isThere = usable().includes(lead);
    const why = state.record.leads.includes(lead) ? "not seen by this model" : "not recorded";
    const box = element("input", { type: "checkbox", id: `lead-${lead}`, disabled: !isThere });
    box.checked = isThere;
    box.addEventListener("change", () => {
      if (box.checked) state.seen.add(lead);
      else state.seen.delete(lead);
      keepOrder();
    });
    return element("label", { class: isThere ? "" : "absent", title: isThere ? "" : why },
      box, lead, element("span", { class: "fall", id: `fall-${lead}` }));
  }));
}

function keepOrder() {
  state.seen = new Set(standard().filter((lead) => state.seen.has(lead)));
  paper.seen = state.seen;
  refresh();
}

function drawSets() {
  const buttons = Object.entries(state.model.lead_sets).map(([name, leads]) => {
    const there = leads.filter((lead) => usable().includes(lead));
    const isOn = there.length === state.seen.size && there.every((lead) => state.seen.has(lead));
    const button = element("button", {
      type: "button", id: `set-${name}`, "aria-pressed": String(isOn && there.length === leads.length),
      disabled: there.length < leads.length, title: leads.join(", "),
    }, name);
    button.addEventListener("click", () => {
      state.seen = new Set(leads);
      for (const lead of standard()) at(`lead-${lead}`).checked = state.seen.has(lead);
      keepOrder();
      at(`set-${name}`).focus();
    });
    return button;
  });
  at("sets").replaceChildren(...buttons);
}

function drawLabels() {
  const ranked = Object.entries(state.probabilities).sort((a, b) => b[1] - a[1]);
  if (!state.isChosen) state.label = ranked[0][0];
  const order = Object.entries(state.full ?? state.probabilities).sort((a, b) => b[1] - a[1]);
  at("labels").replaceChildren(...order.map(([label]) => {
    const value = state.probabilities[label];
    const before = state.full?.[label];
    const radio = element("input", { type: "radio", name: "label", value: label });
    radio.checked = label === state.label;
    radio.addEventListener("change", () => {
      Object.assign(state, { label, isChosen: true });
      explain();
    });
    const fill = element("span", { class: "fill" });
    fill.style.transform = `scaleX(${value})`;
    const row = element("label", { class: "label" }, fill, radio, element("span", { class: "name" }, label));
    if (before !== undefined && Math.abs(before - value) >= 0.005) {
      const tick = element("span", { class: "before", title: "with all leads" });
      tick.style.left = `calc(${100 * before}% - 1px)`;
      const change = Math.round(100 * (value - before));
      row.append(tick, element("span", { class: "change" }, `${change > 0 ? "+" : "−"}${Math.abs(change)}`));
    }
    row.append(element("span", { class: "value", "data-label": label }, percent(value)));
    return row;
  }));
  at("answer-hint").textContent = state.seen.size === usable().length
    ? `probability of each label, from ${state.seen.size} leads`
    : `from ${[...state.seen].join(", ")}; the mark and the difference are to all leads`;
}

function percent(value) {
  if (value > 0 && value < 0.01) return "< 1 %";
  return value < 1 && value > 0.99 ? "> 99 %" : `${Math.round(100 * value)} %`;
}

function drawFalls() {
  const falls = state.explanation?.by_lead ?? {};
  for (const lead of standard()) {
    const fall = falls[lead];
    at(`fall-${lead}`).textContent = fall === undefined ? "" : `${fall < 0 ? "−" : "+"}${Math.abs(fall).toFixed(1)}`;
  }
  at("lead-hint").textContent = state.explanation
    ? `The numbers: by how much the score (logit) of ${state.explanation.label} falls without the lead.`
    : "Take leads away and watch the probabilities change.";
}

function save(content, name) {
  const link = element("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function saveJson() {
  const { model, record, explanation } = state;
  const result = {
    notice: model.notice,
    recording: { name: record.name, leads: record.leads, sample_rate: record.sample_rate, unit: record.unit },
    leads_seen: [...state.seen],
    probabilities: state.probabilities,
    explanation: explanation && { label: explanation.label, method: explanation.method, by_lead: explanation.by_lead },
    identity: state.identity,
    model: { kind: model.kind, task: model.task, anylead: model.version },
  };
  save(new Blob([JSON.stringify(result, null, 2)], { type: "application/json" }), "anylead.json");
}

async function savePdf() {
  complain("");
  const options = {
    format: "pdf", report: true, use_leads: chosen(), start: paper.start,
    ...(state.explanation && { method: state.explanation.method, label: state.explanation.label }),
  };
  const page = await newest("pdf", async (signal) =>
    (await send("/plot", options, state.body, signal)).blob());
  if (page) save(page, "anylead.pdf");
}

function openFiles(files) {
  if (!files.length) return;
  const facts = {};
  for (const name of ["sample_rate", "leads", "unit"]) facts[name] = at(`fact-${name}`).value.trim();
  at("examples").value = "";
  open(() => sendFiles("/read", files, facts));
}

function listen() {
  at("choose").addEventListener("click", () => at("files").click());
  at("files").addEventListener("change", () => {
    openFiles([...at("files").files]);
    at("files").value = "";
  });
  at("examples").addEventListener("change", () => {
    const name = at("examples").value;
    if (name) open(() => get(`/examples/${name}`));
  });
  const over = (isOver) => at("drop").classList.toggle("over", isOver);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || over(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    openFiles([...event.dataTransfer.files]);
  });
  at("zoom-in").addEventListener("click", () => paper.setZoom(paper.zoom * 1.4));
  at("zoom-out").addEventListener("click", () => paper.setZoom(paper.zoom / 1.4));
  at("zoom-fit").addEventListener("click", () => paper.setZoom(1));
  at("calipers").addEventListener("click", () => {
    const isOn = at("calipers").getAttribute("aria-pressed") !== "true";
    at("calipers").setAttribute("aria-pressed", String(isOn));
    paper.setMeasuring(isOn);
    if (isOn) at("paper").focus({ preventScroll: true });
  });
  at("layout").addEventListener("change", () => {
    paper.layout = at("layout").value;
    paper.draw();
  });
  at("start").addEventListener("input", () => {
    paper.start = Number(at("start").value);
    at("start-value").textContent = `${paper.start} s`;
    paper.draw();
  });
  at("shade").addEventListener("change", explain);
  at("method").addEventListener("change", explain);
  at("save-json").addEventListener("click", saveJson);
  at("save-pdf").addEventListener("click", savePdf);
}

async function begin() {
  document.querySelector("main").classList.add("empty");
  listen();
  try {
    state.model = await get("/model");
    const { kind, task, label_names: labels } = state.model;
    at("served").textContent = isClassifier()
      ? `${task ? `${task}: ` : ""}${labels.length} labels` : `a model of kind ${kind}`;
    at("method").replaceChildren(...state.model.methods.map((name) => element("option", { value: name },
      { gradients: "integrated gradients", occlusion: "occlusion", attention: "attention" }[name] ?? name)));
    const examples = await get("/examples");
    at("examples").append(...examples.map((each) => element("option", { value: each.name }, each.title)));
    at("drop").dataset.ready = "true";
  } catch (error) {
    complain(error.message);
  }
}

begin();
