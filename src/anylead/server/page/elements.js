// Making and finding elements.

export const at = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export function percent(value) {
  if (value > 0 && value < 0.01) return "< 1 %";
  return value < 1 && value > 0.99 ? "> 99 %" : `${Math.round(100 * value)} %`;
}

// A number in a unit of its own.
export const digits = (value) => String(Number(value.toPrecision(4)));

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
