// Which files make a recording, and the list of several.

import { at, element } from "./elements.js";

// Files -> [{name, files}]; a WFDB header takes the files that it names, an array its JSON.
export async function grouped(files) {
  const byName = new Map([...files].map((file) => [file.name, file]));
  const named = new Map();
  for (const file of files) {
    if (file.name.toLowerCase().endsWith(".hea")) named.set(file.name, await namedBy(file));
  }
  const inside = new Set([...named.values()].flatMap((names) => [...names]));
  const groups = [];
  for (const file of files) {
    const stem = file.name.replace(/\.[^.]*$/, "");
    const isJson = file.name.toLowerCase().endsWith(".json");
    const isPart = inside.has(file.name) || (file.name.toLowerCase().endsWith(".hea") && inside.has(stem));
    if (isPart || (isJson && byName.size > 1)) continue;
    const own = new Set([file.name, `${stem}.json`, `${file.name}.json`, "anylead.json"]);
    const add = (names) => {
      for (const name of names) {
        if (own.has(name)) continue;
        own.add(name);
        own.add(`${name}.hea`);
        add(named.get(name) ?? named.get(`${name}.hea`) ?? []);
      }
    };
    add(named.get(file.name) ?? []);
    groups.push({ name: stem, files: [...own].map((name) => byName.get(name)).filter(Boolean) });
  }
  // Samples without their header: the server says what is missing.
  return groups.length ? groups : [{ name: files[0].name, files: [...files] }];
}

// First words of a header's lines after the first: files of samples, or segments.
async function namedBy(file) {
  const lines = (await file.slice(0, 1 << 20).text()).split(/\r?\n/);
  const words = lines.filter((line) => line.trim() && !line.startsWith("#")).map((line) => line.trim().split(/\s+/)[0]);
  return new Set(words.slice(1));
}

// The list of several recordings; `summaries` has a line for those that were judged.
export function drawList(groups, current, summaries, onOpen) {
  at("list").hidden = groups.length < 2;
  at("list").replaceChildren(...groups.map((group, i) => {
    const summary = summaries.get(group);
    const button = element("button", {
      type: "button", "aria-current": i === current ? "true" : "false",
    }, element("span", {}, group.name), element("small", { class: summary?.isBad ? "bad" : "" }, summary?.text ?? ""));
    button.addEventListener("click", () => onOpen(i));
    return element("li", {}, button);
  }));
}
