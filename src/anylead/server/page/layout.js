// Where each lead stands on the page, in millimetres; the same rules as `pictures/ecg_layout.py`.

export const SPEED = 25;
export const GAIN = 10;
export const LEFT = 13; // calibration marks; no trace comes here
const MOST_EXCURSION = 50; // an artefact of many mV shall not push the other leads off the page
const CLINIC = [
  ["I", "aVR", "V1", "V4"],
  ["II", "aVL", "V2", "V5"],
  ["III", "aVF", "V3", "V6"],
];
const STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];

// {lead, row, from, to}: seconds on the page.
export function places(leads, layout, seconds, isNarrow) {
  const isStandard = STANDARD.every((name) => leads.includes(name));
  const chosen = layout || (isStandard && !isNarrow ? "3x4" : "12x1");
  if (chosen === "12x1" || !isStandard) {
    return leads.map((lead, row) => ({ lead, row, from: 0, to: seconds }));
  }
  if (chosen === "6x2") {
    return STANDARD.map((lead, i) => ({
      lead, row: i % 6, from: i < 6 ? 0 : seconds / 2, to: i < 6 ? seconds / 2 : seconds,
    }));
  }
  const columns = CLINIC.flatMap((row, number) => row.map((lead, column) => (
    { lead, row: number, from: (column * seconds) / 4, to: ((column + 1) * seconds) / 4 })));
  return [...columns, { lead: "II", row: 3, from: 0, to: seconds }];
}

// Baselines of the rows and where names stand, so that neighbours do not touch and no name lies
// on a trace. `trace(place)` gives millimetres above the baseline, `nameSize` those of a name,
// `seconds` is the length of the page.
export function stack(all, trace, nameSize, seconds) {
  const rows = Math.max(...all.map((place) => place.row)) + 1;
  const up = Array(rows).fill(GAIN);
  const down = Array(rows).fill(nameSize.height + 2.5); // of the first column, below its mark
  const spans = [];
  for (const place of all) {
    const values = trace(place);
    const whole = trace({ ...place, from: 0, to: seconds });
    const [low, high] = extremes(values);
    const above = reach(whole, seconds, 1);
    const below = reach(whole, seconds, -1);
    up[place.row] = Math.max(up[place.row], Math.min(high, above));
    down[place.row] = Math.max(down[place.row], Math.min(-low, below));
    if (place.from > 0) {
      const count = Math.ceil((nameSize.width / ((place.to - place.from) * SPEED)) * values.length);
      const beginning = extremes(values.slice(0, count))[1];
      place.nameAbove = Math.max(5, Math.min(beginning, above) + 1);
      up[place.row] = Math.max(up[place.row], place.nameAbove + nameSize.height);
    }
    spans.push([place.row, low, high]);
  }
  const least = rows <= 4 ? 25 : 17.5;
  const depths = [0];
  for (let row = 1; row < rows; row += 1) {
    depths.push(depths[row - 1] + Math.max(least, Math.ceil((down[row - 1] + up[row] + 1) / 2.5) * 2.5));
  }
  // Artefacts may lie over their neighbours, but not leave the page.
  const over = Math.max(up[0], ...spans.map(([row, , high]) => high - depths[row]));
  const last = depths[rows - 1];
  const under = Math.max(last + down[rows - 1], ...spans.map(([row, low]) => depths[row] - low));
  const top = Math.ceil((over + 2) / 5) * 5;
  return {
    baselines: depths.map((depth) => top + depth),
    height: top + Math.ceil((under + 2) / 5) * 5,
  };
}

export function clipped(millimetres) {
  return Math.max(-MOST_EXCURSION, Math.min(MOST_EXCURSION, millimetres));
}

function extremes(values) {
  let low = 0;
  let high = 0;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// How far a lead goes to one side; what goes half as far again as the usual second is an artefact.
function reach(values, seconds, sign) {
  const highest = (part) => part.reduce((most, value) => Math.max(most, sign * value), 0);
  const number = Math.floor(seconds);
  if (number < 3) return highest(values);
  const width = values.length / number;
  const tops = Array.from({ length: number }, (_, i) =>
    highest(values.slice(Math.round(i * width), Math.round((i + 1) * width)))).sort((a, b) => a - b);
  const usual = (tops[(number - 1) >> 1] + tops[number >> 1]) / 2;
  return Math.min(tops[number - 1], Math.max(20, 1.5 * usual));
}
