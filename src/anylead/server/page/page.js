// What the page does: open recordings, choose leads, show what the model says and why.

import { drawAnswer, titleOf } from "./answer.js";
import { bodyOf, get, send, sendFiles } from "./api.js";
import { at, digits, element, percent } from "./elements.js";
import { MedianBeat } from "./median.js";
import { clock, Overview } from "./overview.js";
import { Paper } from "./paper.js";
import { drawList, grouped } from "./recordings.js";
import { drawIntervals } from "./waves.js";
import { inWords } from "./words.js";

const WINDOW = 60; // seconds of a long recording that are opened at once
const state = {
  model: null,
  record: null,
  body: "",
  groups: [], // recordings of the last choice of files
  current: -1,
  summaries: new Map(),
  seen: new Set(), // leads the model may see
  full: null, // probabilities with all leads
  answer: null,
  isForced: false,
  label: null, // the one that is explained
  isChosen: false, // by a person, not by being the most probable
  explanation: null,
  delineation: null,
  identity: null,
};
const paper = new Paper({
  canvas: at("paper"), scroller: at("scroller"), names: at("names"),
  onMeasure: (text) => {
    at("measure").textContent = text;
  },
  onScroll: tellShown,
});
const overview = new Overview(at("overview"), (start) => openGroup(state.current, start));
const median = new MedianBeat(at("median-canvas"));
const controllers = {};

function tell(text) {
  at("status").textContent = text;
}

function complain(message) {
  at("error").hidden = !message;
  if (!message) return;
  const { words, field } = inWords(message);
  at("error-words").textContent = words ?? message;
  at("error-detail").textContent = words ? message : "";
  at("again").hidden = !field || !state.groups.length;
  if (field) {
    at("facts").open = true;
    at(`fact-${field}`).focus();
  }
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

const standard = () => state.model.lead_sets["12"];
const usable = () => state.model.leads.filter((lead) => state.record.leads.includes(lead));
const isClassifier = () => ["classification", "multiclass", "regression", "survival"].includes(state.model.kind);
const isWhole = () => state.seen.size === usable().length;
// All leads is the absence of a choice, for models that were trained on few.
const chosen = () => (isWhole() ? "" : [...state.seen].join(","));

async function openFiles(files) {
  if (!files.length) return;
  at("examples").value = "";
  state.groups = await grouped([...files]);
  state.summaries = new Map();
  await openGroup(0);
  for (const group of state.groups.slice(1)) await summarize(group);
}

async function openGroup(index, start = 0) {
  const group = state.groups[index];
  state.current = index;
  drawFiles();
  const record = await open(() => sendFiles(`/read?seconds=${WINDOW}&start=${start}`, group.files, facts()));
  if (!record) return;
  if (record.overview) overview.start = start;
}

// One line about a recording that is not open.
async function summarize(group) {
  if (!isClassifier() || state.summaries.has(group)) return;
  try {
    const found = await sendFiles("/predict", group.files, facts());
    state.summaries.set(group, summaryOf(found.recordings[0]));
  } catch (error) {
    state.summaries.set(group, { text: inWords(error.message).words ?? error.message, isBad: true });
  }
  drawFiles();
}

function summaryOf(answer) {
  if (answer.refusal) return { text: `doubtful: ${answer.refusal}`, isBad: true };
  const numbers = Object.entries(answer.values).map(([name, value]) => `${name} ${digits(value)}`);
  if (numbers.length) return { text: numbers.slice(0, 3).join(", "), isBad: false };
  const yes = Object.keys(answer.decisions).filter((label) => answer.decisions[label]);
  const ranked = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  const told = yes.length ? yes : ranked.slice(0, 1).map(([label]) => label);
  const words = told.slice(0, 3).map((label) => `${titleOf(state.model, label)} ${percent(answer.probabilities[label])}`);
  return { text: words.join(", "), isBad: false };
}

function drawFiles() {
  drawList(state.groups, state.current, state.summaries, (index) => openGroup(index));
}

function facts() {
  const names = ["sample_rate", "leads", "unit"];
  return Object.fromEntries(names.map((name) => [name, at(`fact-${name}`).value.trim()]));
}

async function open(load) {
  complain("");
  tell("reading …");
  const record = await newest("read", load);
  tell("");
  if (!record) return null;
  Object.assign(state, {
    record, body: bodyOf(record), full: null, answer: null, explanation: null,
    delineation: null, identity: null, label: null, isChosen: false, isForced: false,
  });
  state.seen = new Set(usable());
  for (const name of ["ecg", "leads", "save"]) document.querySelector(`.${name}`).hidden = false;
  document.querySelector(".answer").hidden = !isClassifier();
  document.querySelector(".other").hidden = isClassifier();
  document.querySelector("main").classList.remove("empty");
  at("ecg-title").textContent = record.name;
  at("paper").setAttribute("aria-label", `ECG page of ${record.name}: ${record.leads.join(", ")}`);
  at("paper-hint").textContent = aboutRecord(record);
  const seconds = record.signal[0].length / record.sample_rate;
  at("start-label").hidden = seconds <= 10.5;
  at("start").max = Math.max(0, Math.floor(seconds - 10));
  at("start").value = 0;
  at("start-value").textContent = "0 s";
  drawBoxes();
  paper.seen = state.seen;
  paper.show(record);
  paper.measured();
  overview.show(record.overview ?? null, record.start ?? 0, WINDOW);
  await refresh();
  return record;
}

function aboutRecord(record) {
  const seconds = record.signal[0].length / record.sample_rate;
  const stated = Object.entries(record.about ?? {}).filter(([name]) => name !== "text");
  const part = record.overview
    ? `${clock(record.start)} to ${clock(record.start + seconds)} of ${clock(record.overview.seconds)}`
    : `${seconds.toFixed(1)} s`;
  return [
    "25 mm/s", record.unit === "mV" ? "10 mm/mV" : "no voltage: scale chosen",
    `${record.leads.length} leads`, part, `${Number(record.sample_rate.toPrecision(6))} Hz`,
    ...stated.map(([name, value]) => `${name} ${value}`), record.about?.text,
  ].filter(Boolean).join(" · ");
}

// Says that the strip scrolls, and what of it is to be seen.
function tellShown() {
  const shown = paper.shown();
  at("names").classList.toggle("over", at("scroller").scrollLeft > 3);
  at("strip").classList.toggle("more", Boolean(shown) && shown[1] < paper.seconds - 0.1);
  at("shown").hidden = !shown;
  if (!shown) return;
  const [from, to] = shown.map((value) => (value + paper.start).toFixed(1));
  at("shown").textContent = `${from} to ${to} s of ${(paper.seconds + paper.start).toFixed(1)} s shown · swipe or scroll sideways`;
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
  await Promise.all([predict(), identify(), delineate()]);
  await explain();
}

async function predict() {
  if (!isClassifier()) return;
  at("labels").setAttribute("aria-busy", "true");
  const found = await newest("predict", async (signal) =>
    (await send("/predict", { use_leads: chosen(), force: state.isForced }, state.body, signal)).json());
  if (found) {
    state.answer = found.recordings[0];
    const { probabilities } = state.answer;
    if (isWhole()) state.full = probabilities;
    const ranked = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
    if (!state.isChosen) state.label = ranked[0]?.[0] ?? Object.keys(state.answer.values)[0] ?? null;
    drawLabels();
    if (isWhole() && state.groups.length && at("examples").value === "") {
      state.summaries.set(state.groups[state.current], summaryOf(state.answer));
      drawFiles();
    }
  }
  at("labels").removeAttribute("aria-busy");
}

function drawLabels() {
  drawAnswer({
    model: state.model, answer: state.answer, full: isWhole() ? null : state.full,
    label: state.label, isWhole: isWhole(),
    onForce: () => {
      state.isForced = true;
      refresh();
    },
    onChoose: (label) => {
      Object.assign(state, { label, isChosen: true });
      explain();
    },
  });
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

async function delineate() {
  if (!state.model.has_waves) return;
  const found = await newest("delineate", async (signal) =>
    (await send("/delineate", { use_leads: chosen() }, state.body, signal)).json());
  if (!found) return;
  [state.delineation] = found.recordings;
  document.querySelector(".intervals").hidden = false;
  median.show(state.record, state.delineation);
  drawIntervals(state.delineation, (from, to) => {
    at("calipers").setAttribute("aria-pressed", "true");
    at("paper").classList.add("measuring");
    if (from < paper.start || to > paper.start + paper.seconds) {
      paper.start = Math.max(0, Math.min(Number(at("start").max), Math.floor(from - 1)));
      at("start").value = paper.start;
      at("start-value").textContent = `${paper.start} s`;
    }
    paper.draw();
    paper.point(from, to);
    at("scroller").scrollIntoView({ block: "nearest" });
  });
  tint();
}

function tint() {
  paper.waves = at("tint").checked && state.delineation ? state.delineation.waves : null;
  paper.draw();
}

async function explain() {
  state.explanation = null;
  paper.saliency = null;
  if (at("shade").checked && state.label !== null) {
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
    const fall = element("span", { class: "fall", id: `fall-${lead}`, hidden: true }, element("i"));
    return element("label", { class: isThere ? "" : "absent", title: isThere ? "" : why },
      box, element("span", { class: "lead" }, lead), fall);
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
      "aria-label": `${name} leads: ${leads.join(", ")}`,
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
  const set = Object.entries(state.model.lead_sets).find(([, leads]) =>
    leads.length === state.seen.size && leads.every((lead) => state.seen.has(lead)));
  at("set-meaning").textContent = set ? `${set[0]} leads: ${set[1].join(", ")}` : `chosen: ${[...state.seen].join(", ") || "none"}`;
}

// What the probability would be had the lead not been recorded, as bars to both sides and words.
function drawFalls() {
  const { explanation } = state;
  const falls = explanation?.by_lead ?? {};
  const whole = explanation?.probability;
  const isNumber = explanation !== null && whole === null; // falls are in its own unit
  const changes = Object.entries(falls).filter(([, fall]) => fall !== null)
    .map(([lead, fall]) => [lead, isNumber ? fall : whole - explanation.without_lead[lead]]);
  const most = Math.max(...changes.map(([, change]) => Math.abs(change)), isNumber ? 1e-9 : 0.02);
  const byLead = Object.fromEntries(changes);
  for (const lead of standard()) {
    const bar = at(`fall-${lead}`);
    const change = byLead[lead];
    bar.hidden = change === undefined;
    if (bar.hidden) continue;
    bar.classList.toggle("against", change < 0);
    bar.firstChild.style.width = `${(50 * Math.abs(change)) / most}%`;
    bar.title = isNumber ? `without ${lead}: ${digits(change)} less`
      : `without ${lead}: ${percent(whole - change)} in place of ${percent(whole)}`;
  }
  at("legend").hidden = !explanation;
  at("lead-hint").textContent = explanation ? fallWords(explanation, changes, whole)
    : "Take leads away and watch the probabilities change.";
}

function fallWords(explanation, changes, whole) {
  const title = titleOf(state.model, explanation.label);
  const [lone] = Object.keys(explanation.by_lead);
  if (!changes.length) return `${lone} is the only lead: what it alone adds is not defined.`;
  if (whole === null) {
    const [lead, fall] = changes.reduce((a, b) => (Math.abs(b[1]) > Math.abs(a[1]) ? b : a));
    return `Without ${lead}, ${title} would be ${digits(Math.abs(fall))} ${fall < 0 ? "more" : "less"}.`;
  }
  const sorted = [...changes].sort((a, b) => b[1] - a[1]);
  const named = (pairs) => pairs.map(([lead]) => lead).join(", ");
  const support = sorted.filter(([, change]) => change >= 0.01).slice(0, 3);
  const against = sorted.reverse().filter(([, change]) => change <= -0.01).slice(0, 3);
  const [lead, change] = sorted.reduce((a, b) => (Math.abs(b[1]) > Math.abs(a[1]) ? b : a));
  return [
    support.length ? `${named(support)} speak${support.length > 1 ? "" : "s"} most for ${title}` : `No lead alone carries ${title}`,
    against.length ? `, ${named(against)} against it` : "",
    `. Without ${lead} its probability would be ${percent(whole - change)}, not ${percent(whole)}.`,
    explanation.segments.length > 1 ? ` Mean of ${explanation.segments.length} segments.` : "",
  ].join("");
}

function save(content, ending) {
  const name = `${state.record.name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 80) || "ecg"}-anylead.${ending}`;
  const link = element("a", { href: URL.createObjectURL(content), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function saveJson(extra = {}) {
  const { model, record, explanation } = state;
  const result = {
    notice: model.notice,
    date: new Date().toISOString(),
    recording: {
      name: record.name, leads: record.leads, sample_rate: record.sample_rate, unit: record.unit,
      start: record.start ?? 0, seconds: record.signal[0].length / record.sample_rate,
    },
    leads_seen: [...state.seen],
    answer: state.answer,
    delineation: state.delineation,
    explanation: explanation && {
      label: explanation.label, method: explanation.method, by_lead: explanation.by_lead,
      without_lead: explanation.without_lead,
      segments: explanation.segments,
    },
    identity: state.identity,
    model: { ...model.about, kind: model.kind, task: model.task },
    ...extra,
  };
  save(new Blob([JSON.stringify(result, null, 2)], { type: "application/json" }), "json");
}

async function saveVector() {
  const found = await newest("embed", async (signal) =>
    (await send("/embed", { use_leads: chosen() }, state.body, signal)).json());
  if (found) saveJson({ vector: found.recordings[0].vector });
}

async function savePdf() {
  complain("");
  const options = {
    format: "pdf", report: true, use_leads: chosen(), start: paper.start, force: state.isForced,
    ...(state.explanation && { method: state.explanation.method, label: state.explanation.label }),
  };
  const page = await newest("pdf", async (signal) =>
    (await send("/plot", options, state.body, signal)).blob());
  if (page) save(page, "pdf");
}

function listen() {
  at("choose").addEventListener("click", () => at("files").click());
  at("files").addEventListener("change", () => {
    const files = [...at("files").files];
    at("files").value = "";
    openFiles(files);
  });
  at("again").addEventListener("click", () => openGroup(Math.max(0, state.current)));
  at("examples").addEventListener("change", () => {
    const name = at("examples").value;
    if (!name) return;
    state.groups = [];
    drawFiles();
    open(() => get(`/examples/${name}`));
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
  at("tint").addEventListener("change", tint);
  at("method").addEventListener("change", explain);
  at("save-json").addEventListener("click", () => saveJson());
  at("save-pdf").addEventListener("click", savePdf);
  at("save-vector").addEventListener("click", saveVector);
}

// What a model without labels can do.
function otherWords({ kind, dim, has_gallery: hasGallery }) {
  if (hasGallery) return "This model compares ECGs: below stands whose recording this most likely is.";
  if (kind === "identification") {
    return "This model tells whether two ECGs are of one person. To search a gallery, enroll known recordings (anylead enroll) and start the server with --gallery.";
  }
  return `This model is an encoder: it turns an ECG into a vector of ${dim} numbers and names no diagnosis. Save the vector here, or train a classifier on it with anylead finetune.`;
}

async function begin() {
  document.querySelector("main").classList.add("empty");
  listen();
  try {
    state.model = await get("/model");
    const { about, kind, task, label_names: labels } = state.model;
    at("served").textContent = [
      about.name, isClassifier() ? `${task ? `${task}: ` : ""}${labels.length} labels` : `a model of kind ${kind}`,
      about.trained,
    ].join(" · ");
    at("other-words").textContent = otherWords(state.model);
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
