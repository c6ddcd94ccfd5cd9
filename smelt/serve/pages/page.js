import { WORDS } from "/page/words.js";
import { readTable, writeTable } from "/page/table.js";

const find = (id) => document.getElementById(id);
const state = { language: localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en"), key: sessionStorage.getItem("key") || "", models: [], table: null, stop: false };
const say = (word, ...values) => {
  const found = WORDS[state.language][word];
  return typeof found === "function" ? found(...values) : found;
};
const share = (value, digits = 1) => `${(100 * value).toFixed(digits)} %`;

function make(name, attributes = {}, ...children) {
  const svg = ["circle", "line", "text", "title", "g"].includes(name);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

async function ask(path, body) {
  const headers = state.key ? { authorization: `Bearer ${state.key}` } : {};
  const options = body === undefined ? { headers } : { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error(say("unreachable"));
  }
  const found = await response.json();
  find("key-form").hidden = response.status !== 401;
  if (response.ok) return found;
  const fault = new Error(found.detail || found.error?.message || found.error || response.statusText);
  fault.status = response.status;
  fault.wait = Number(response.headers.get("retry-after") || 0);
  throw fault;
}

function complain(message) {
  find("fault").textContent = message;
  find("fault").hidden = !message;
}

function speak() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  find("language").textContent = state.language === "zh" ? "English" : "中文";
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  fillModels();
  showCertificate();
  look();
}

function fillModels() {
  const [model, second] = [find("model"), find("second")], chosen = [model.value, second.value];
  const options = () => state.models.map((one) => make("option", { value: one.id }, one.id));
  model.replaceChildren(...options());
  second.replaceChildren(make("option", { value: "" }, say("nothing")), ...options());
  [model.value, second.value] = [chosen[0] || state.models[0]?.id || "", chosen[1]];
  find("second-label").hidden = state.models.length < 2;
  find("models-line").textContent = state.models
    .map((one) => `${one.id}: ${one.runtime} ${one.precision}, ${say(one.certified ? "certified" : "uncertified")}`).join(" · ");
}

async function tryIt(event) {
  event.preventDefault();
  const texts = find("texts").value.split("\n").map((line) => line.trim()).filter(Boolean);
  if (!texts.length) return complain(say("noText"));
  complain("");
  const names = [...new Set([find("model").value, find("second").value].filter(Boolean))];
  try {
    const replies = await Promise.all(names.map((name) => ask("/v1/classify", { model: name, input: texts })));
    const blocks = texts.map((text, place) => {
      const block = make("div", { class: "answer" }, ...(texts.length > 1 ? [make("p", {}, text)] : []));
      names.forEach((name, column) => block.append(answerOf(name, text, replies[column].data[place])));
      return block;
    });
    find("answers").replaceChildren(...blocks);
  } catch (fault) {
    complain(fault.message);
  }
}

function answerOf(name, text, answer) {
  const labels = state.models.find((one) => one.id === name).labels;
  const order = answer.probs.map((value, place) => [value, labels[place]]).sort((first, second) => second[0] - first[0]).slice(0, 5);
  const title = make("h3", {}, answer.label, " ", make("small", {}, `${share(answer.confidence)} · ${name}${answer.truncated ? ` · ${say("truncated")}` : ""}`));
  const bars = make("div", { class: "bars" }, ...order.flatMap(([value, label]) => [
    make("span", {}, label), make("meter", { min: 0, max: 1, value, "aria-label": `${label} ${share(value)}` }), make("span", {}, share(value)),
  ]));
  const found = make("div", { class: "said" }, title, bars), method = find("method").value;
  if (method) explain(found, name, text, answer.label, method);
  return found;
}

async function explain(block, name, text, label, method) {
  try {
    const why = await ask("/explain", { model: name, text, label, method });
    const most = Math.max(...why.words.map((word) => Math.abs(word.value)), 1e-9), line = make("p", { class: "why" }), letters = [...text];
    let place = 0;
    for (const word of why.words) {
      const strength = Math.abs(word.value) / most, level = strength > 0.6 ? 3 : strength > 0.3 ? 2 : strength > 0.1 ? 1 : 0;
      line.append(letters.slice(place, word.start).join(""));
      const own = make("mark", { title: word.value.toFixed(2), ...(level ? { class: `${word.value >= 0 ? "f" : "a"}${level}` } : {}) }, word.word);
      line.append(own);
      place = word.end;
    }
    line.append(letters.slice(place).join(""));
    block.append(line);
  } catch (fault) {
    block.append(make("small", {}, fault.message));
  }
}

async function showCertificate() {
  if (!state.models.length) return;
  const name = find("model").value;
  try {
    const found = await ask(`/models/${encodeURIComponent(name)}/certificate`);
    const parts = (found.verdict?.sentence || say("noCertificate")).split("`");
    find("sentence").replaceChildren(...parts.map((part, place) => (place % 2 ? make("code", {}, part) : part)));
    find("frontier").hidden = !found.frontier;
    if (found.frontier) drawFrontier(found.frontier.candidates);
  } catch (fault) {
    find("sentence").textContent = fault.message;
  }
}

function drawFrontier(candidates) {
  const dots = candidates.filter((one) => one.latency_ms_p50 > 0 && one.dev_score !== null);
  const costs = dots.map((one) => Math.log10(one.latency_ms_p50)), scores = dots.map((one) => one.dev_score);
  const [left, right, top, bottom] = [55, 625, 15, 255];
  const scale = (values, low, high) => {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return (value) => (most === least ? (low + high) / 2 : low + ((value - least) / (most - least)) * (high - low));
  };
  const x = scale(costs, left + 15, right - 15), y = scale(scores, bottom - 10, top + 10);
  const svg = find("frontier-svg");
  svg.replaceChildren(
    make("line", { x1: left, x2: right, y1: bottom, y2: bottom }), make("line", { x1: left, x2: left, y1: top, y2: bottom }),
    make("text", { x: left, y: 290 }, `${dots.length ? Math.min(...dots.map((one) => one.latency_ms_p50)).toFixed(2) : ""} ${say("milliseconds")}`),
    make("text", { x: right, y: 290, "text-anchor": "end" }, dots.length ? `${Math.max(...dots.map((one) => one.latency_ms_p50)).toFixed(2)}` : ""),
    make("text", { x: 5, y: top + 12 }, share(Math.max(...scores))), make("text", { x: 5, y: bottom }, share(Math.min(...scores))),
  );
  for (const one of dots) {
    const kind = one.chosen ? "chosen" : one.certified ? "passed" : one.certified === false && one.name !== "reference" ? "failed" : "dot";
    const [cx, cy] = [x(Math.log10(one.latency_ms_p50)), y(one.dev_score)];
    const told = `${one.name}: ${share(one.dev_score)}, ${one.latency_ms_p50.toFixed(2)} ms`;
    svg.append(make("circle", { cx, cy, r: 5, class: kind }, make("title", {}, told)));
    if (one.chosen) svg.append(make("circle", { cx, cy, r: 9, class: "ring" }));
    if (one.chosen || one.name === "reference") {
      const late = cx > (left + right) / 2;
      svg.append(make("text", { x: cx, y: cy + (one.chosen ? 24 : -12), "text-anchor": late ? "end" : "start" }, one.name));
    }
  }
}

async function look() {
  if (!state.models.length) return;
  try {
    const found = await ask("/live");
    const figures = found.figures, waiting = found.models.reduce((sum, model) => sum + model.versions.current.waiting, 0);
    const tile = (value, word) => make("div", { class: "tile" }, make("b", {}, value), make("span", {}, say(word)));
    find("figures").replaceChildren(
      tile(figures.per_second.toFixed(1), "perSecond"), tile(figures.p50_ms.toFixed(1), "p50"), tile(figures.p99_ms.toFixed(1), "p99"),
      tile(share(figures.refused, 0), "refused"), tile(String(waiting), "waiting"),
    );
    find("watched").replaceChildren(...found.models.flatMap(watched));
  } catch (fault) {
    if (fault.status !== 403) find("figures").textContent = fault.message;
  }
}

function watched(model) {
  const { current, canary } = model.versions, lines = [];
  if (canary) lines.push(make("p", {}, say("trial", canary.number, share(model.share, 0))));
  if (model.news) lines.push(make("p", {}, model.news));
  if (current.shadow) lines.push(...compared(current));
  if (current.drift) {
    const index = (value) => (value === null ? say("few") : value.toFixed(2)), drift = current.drift;
    lines.push(make("p", {}, say("drift", index(drift.labels), index(drift.lengths), share(drift.unknown))));
  }
  return lines.length ? [make("div", { class: "watch" }, make("b", {}, model.name), ...lines)] : [];
}

function compared(version) {
  const { shadow, promise } = version, bounds = shadow.bounds;
  const lines = [make("p", {}, say("shadow", shadow.compared, share(shadow.share_achieved)))];
  if (promise && shadow.certificate === null) lines.push(make("p", {}, say("unreachableCertificate")));
  if (shadow.certificate !== null) {
    const word = shadow.certificate ? "holds" : "notYet";
    lines.push(make("p", {}, make("b", { class: shadow.certificate ? "yes" : "no" }, say(word, share(bounds.upper, 2), share(promise.margin, 2)))));
  }
  if (shadow.alarm !== null) {
    lines.push(make("p", {}, shadow.alarm ? make("b", { class: "alarm" }, say("alarm", share(bounds.lower, 2), share(promise.upper, 2))) : say("calm")));
  }
  return lines;
}

async function takeFile(file) {
  if (!file) return;
  complain("");
  find("download").hidden = true;
  if (file.size > 50e6) return complain(say("tooLarge"));
  try {
    state.table = { ...readTable(await file.text(), file.name), name: file.name };
  } catch (fault) {
    return complain(`${file.name}: ${fault.message}`);
  }
  if (!state.table.rows.length) return complain(say("empty"));
  const columns = state.table.columns, guess = columns.find((one) => /^(text|sentence|body|content|review|文本|内容)$/i.test(one)) || columns[0];
  find("column").replaceChildren(...columns.map((one) => make("option", { value: one }, one)));
  find("column").value = guess;
  find("progress").value = 0;
  find("progress-text").textContent = say("rows", 0, state.table.rows.length);
  find("file-row").hidden = false;
}

async function labelFile() {
  const { rows } = state.table, column = find("column").value, model = find("model").value, began = performance.now();
  state.stop = false;
  [find("label-file").disabled, find("stop-file").disabled] = [true, false];
  let done = 0;
  try {
    while (done < rows.length && !state.stop) {
      const chunk = rows.slice(done, done + 64);
      const reply = await patiently(() => ask("/v1/classify", { model, input: chunk.map((row) => String(row[column] ?? "")) }));
      reply.data.forEach((answer, place) => Object.assign(chunk[place], { prediction: answer.label, confidence: answer.confidence }));
      done += chunk.length;
      find("progress").value = done / rows.length;
      const left = Math.ceil((((performance.now() - began) / done) * (rows.length - done)) / 1000);
      find("progress-text").textContent = done < rows.length ? `${say("rows", done, rows.length)}, ${say("left", left)}` : say("done");
    }
    if (state.stop) find("progress-text").textContent = say("stopped");
    const link = find("download"), part = { ...state.table, rows: rows.slice(0, done) };
    URL.revokeObjectURL(link.href);
    link.href = URL.createObjectURL(new Blob([writeTable(part)], { type: "text/plain" }));
    link.download = state.table.name.replace(/\.(csv|tsv|txt)$/i, "").replace(/\.jsonl$/i, "") + (state.table.kind === "jsonl" ? ".labelled.jsonl" : ".labelled.csv");
    link.hidden = false;
  } catch (fault) {
    complain(fault.message);
  } finally {
    [find("label-file").disabled, find("stop-file").disabled] = [false, true];
  }
}

// A busy server says when to come again; a file has time.
async function patiently(work) {
  for (let turn = 0; ; turn += 1) {
    try {
      return await work();
    } catch (fault) {
      if (![429, 503].includes(fault.status) || turn >= 20) throw fault;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.max(1, fault.wait)));
    }
  }
}

async function begin() {
  try {
    state.models = (await ask("/v1/models")).data;
  } catch (fault) {
    if (fault.status !== 401) complain(fault.message);
  }
  speak();
}

find("language").addEventListener("click", () => {
  state.language = state.language === "zh" ? "en" : "zh";
  localStorage.setItem("language", state.language);
  speak();
});
find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  state.key = find("key").value.trim();
  sessionStorage.setItem("key", state.key);
  complain("");
  begin();
});
find("try-form").addEventListener("submit", tryIt);
find("texts").addEventListener("keydown", (event) => { if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) tryIt(event); });
find("model").addEventListener("change", showCertificate);
find("file").addEventListener("change", () => takeFile(find("file").files[0]));
find("label-file").addEventListener("click", labelFile);
find("stop-file").addEventListener("click", () => { state.stop = true; });
for (const kind of ["dragover", "dragleave", "drop"]) {
  find("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    find("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") takeFile(event.dataTransfer.files[0]);
  });
}
find("drop").addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); find("file").click(); } });
speak();
setInterval(() => { if (!document.hidden && find("key-form").hidden) look(); }, 2000);
begin();
