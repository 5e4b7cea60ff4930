// What went wrong, for somebody who knows hearts and not files: what to do, and which field helps.

// Pattern of a message -> words, and the field to fill.
const KNOWN = [
  [/sample_rate.* not stated|say sample_rate/, "This file holds numbers only. Fill in the sampling rate, the leads and the unit, then open it again.", "sample_rate"],
  [/leads.* not stated|rows without names|say leads/, "This file does not say which lead is which. Fill in the leads in their order, then open it again.", "leads"],
  [/unit.* not stated|typical values of|unit '/, "The voltages of this file are in an unknown unit. Fill in the unit (mV, uV or V), then open it again.", "unit"],
  [/too slow for an ECG/, "The sampling rate looks wrong. Fill in the right one, then open it again.", "sample_rate"],
  [/need the header/, "The samples (.dat) came without their header. Choose the .hea and the .dat file together."],
  [/\.dat|\.mat.*(missing|not there|does not exist)|No such file/, "A header came without its samples. Choose the .hea and the .dat file together."],
  [/no known ECG format/, "This is no ECG file that can be read here."],
  [/every lead is missing or constant/, "Every lead is flat or missing: there is nothing to look at. Were the electrodes connected?"],
  [/too short/, "The recording is too short for this model."],
  [/none of the 12 leads|none of the wanted/, "The recording has none of the leads that this model knows."],
  [/larger than \d+ bytes|may hold/, "This is more than the server takes at once. Send a shorter part."],
  [/not read within|ended; damaged/, "The file could not be read in time; it may be damaged."],
  [/broken or unsupported|is not JSON|cannot be read/, "The file is damaged or of an unknown version. Export it again."],
];

export function inWords(message) {
  const [, words, field] = KNOWN.find(([pattern]) => pattern.test(message)) ?? [];
  return { words, field, message };
}
