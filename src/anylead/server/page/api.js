// Requests to the server this page came from.

const KEY = "anylead-token";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function askForToken() {
  const dialog = document.getElementById("token-dialog");
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  sessionStorage.setItem(KEY, document.getElementById("token").value);
}

async function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The server does not answer; is it still running?");
  }
  if (response.status === 401) {
    await askForToken();
    return ask(path, options);
  }
  if (!response.ok) {
    const said = await response.json().catch(() => ({ error: response.statusText }));
    throw new Refused(response.status, said.error);
  }
  return response;
}

export async function get(path) {
  return (await ask(path)).json();
}

export async function sendFiles(path, files, facts) {
  const form = new FormData();
  for (const file of files) form.append("file", file, file.name);
  for (const [name, value] of Object.entries(facts)) if (value) form.append(name, value);
  return (await ask(path, { method: "POST", body: form })).json();
}

// A body is made once for each recording and sent again for every question about it.
export function bodyOf(record) {
  const { name, leads, sample_rate, unit, signal } = record;
  return JSON.stringify({ recordings: [{ name: name.slice(0, 200), leads, sample_rate, unit, signal }] });
}

export async function send(path, options, body, signal) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const headers = { "Content-Type": "application/json" };
  return ask(`${path}?${query}`, { method: "POST", headers, body, signal });
}
