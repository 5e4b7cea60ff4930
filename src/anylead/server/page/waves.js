// Intervals as a table, each number with the beat that it was measured in.

import { at, element } from "./elements.js";

const ROWS = [
  ["ECG_Rate", "Heart rate", "/min"], ["RR_ms", "RR", "ms"], ["PR_ms", "PR", "ms"], ["QRS_ms", "QRS", "ms"],
  ["QT_ms", "QT", "ms"], ["QTc_Bazett_ms", "QTc Bazett", "ms"], ["QTc_Fridericia_ms", "QTc Fridericia", "ms"],
  ["QTc_Framingham_ms", "QTc Framingham", "ms"], ["QTc_Hodges_ms", "QTc Hodges", "ms"], ["Axis_deg", "Axis", "°"],
];

// found: a recording of /delineate, or null; onShow(from, to): seconds that a number was measured in.
export function drawIntervals(found, onShow) {
  at("intervals").replaceChildren(...(found ? ROWS.map(([name, title, unit]) => {
    const { value, quality, beats } = found.intervals.global[name];
    const stretch = value === null ? null : nearest(stretches(found, name), value);
    const number = value === null ? "" : `${Math.round(value)} ${unit}`;
    const shown = stretch ? element("button", { type: "button", title: "show where" }, number) : number;
    if (stretch) shown.addEventListener("click", () => onShow(...stretch));
    return element("tr", {}, element("th", { scope: "row" }, title), element("td", {}, shown),
      element("td", { class: "hint" }, value === null ? quality : `${quality}, ${beats} beats`));
  }) : []));
}

// [from, to] of each beat that an interval was measured in.
function stretches(found, name) {
  const waves = found.waves.filter((wave) => wave.lead === "global").sort((a, b) => a.onset - b.onset);
  const complexes = waves.filter((wave) => wave.name === "QRS");
  if (name === "RR_ms" || name === "ECG_Rate") {
    return complexes.slice(1).map((wave, i) => [complexes[i].onset, wave.onset]);
  }
  return waves.flatMap((wave, i) => {
    if (wave.name !== "QRS") return [];
    if (name === "QRS_ms") return [[wave.onset, wave.offset]];
    if (name === "PR_ms") return waves[i - 1]?.name === "P" ? [[waves[i - 1].onset, wave.onset]] : [];
    return name === "QT_ms" && waves[i + 1]?.name === "T" ? [[wave.onset, waves[i + 1].offset]] : [];
  });
}

function nearest(all, value) {
  const miss = ([from, to]) => Math.abs(1000 * (to - from) - value);
  return all.reduce((best, each) => (best === null || miss(each) < miss(best) ? each : best), null);
}
