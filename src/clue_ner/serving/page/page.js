"use strict";
// What is typed goes to POST /tag, and what is found is shown in the text. All text reaches the page as text, never as HTML.

const WORDS = {
  en: {
    text: "Text",
    hint: "Paste, type, or drop a text file here.",
    token: "Token of this service",
    tag: "Tag",
    example: "Example",
    clear: "Clear",
    found: "Entities",
    types: "Types",
    threshold: "Score at least",
    copy: "Copy as JSON",
    other: "中文",
    otherLabel: "用中文显示",
    busy: "Tagging…",
    copied: "Copied",
    notCopied: "The browser did not allow copying",
    characters: (n) => `${n.toLocaleString("en")} characters`,
    status: (shown, all) => (shown === all ? `${all} found` : `${shown} of ${all} shown`),
    model: (m) => `${m.name}, version ${m.version}, ${m.runtime}`,
    place: (e) => `characters ${e.start} to ${e.end}, score ${e.score.toFixed(3)}`,
    unreachable: "The service does not answer.",
    tooLarge: (size, most) => `The file has ${size} bytes, and at most ${most} can be tagged.`,
    notText: "The file is not UTF-8 text.",
    needToken: "This service wants a token.",
    retry: (s) => ` Try again in ${s} s.`,
  },
  zh: {
    text: "文本",
    hint: "在此粘贴、输入，或拖入文本文件。",
    token: "本服务的令牌",
    tag: "识别",
    example: "示例",
    clear: "清空",
    found: "实体",
    types: "类型",
    threshold: "最低分数",
    copy: "复制为 JSON",
    other: "English",
    otherLabel: "Show in English",
    busy: "识别中……",
    copied: "已复制",
    notCopied: "浏览器不允许复制",
    characters: (n) => `${n.toLocaleString("zh")} 个字符`,
    status: (shown, all) => (shown === all ? `找到 ${all} 个` : `显示 ${all} 个中的 ${shown} 个`),
    model: (m) => `${m.name}，版本 ${m.version}，${m.runtime}`,
    place: (e) => `字符 ${e.start} 到 ${e.end}，分数 ${e.score.toFixed(3)}`,
    unreachable: "服务没有响应。",
    tooLarge: (size, most) => `文件有 ${size} 字节，最多能处理 ${most} 字节。`,
    notText: "文件不是 UTF-8 文本。",
    needToken: "本服务需要令牌。",
    retry: (s) => `请在 ${s} 秒后重试。`,
  },
};
const EXAMPLE = "英雄联盟全球总决赛落户上海，门票在5分钟之内被抢光。\n拜仁慕尼黑半场就以4:0领先，后卫穆勒曼独中两元。";
const COLOURS = 12;

const $ = (id) => document.getElementById(id);
let language = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
let model = null;
let shown = null; // {characters: [code points of the text], answer: of POST /tag}
const off = new Set(); // types that are switched off

const words = () => WORDS[language];

function speak() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-i18n]")) element.textContent = words()[element.dataset.i18n];
  $("language").textContent = words().other;
  $("language").lang = language === "zh" ? "en" : "zh";
  $("language").setAttribute("aria-label", words().otherLabel);
  showModel();
  showCount();
  if (shown) show();
}

function showModel() {
  $("model").textContent = model ? words().model(model) : "";
}

function showCount() {
  $("count").textContent = words().characters([...$("text").value].length);
}

async function ask(path, body) {
  const headers = {};
  if ($("token").value) headers.Authorization = `Bearer ${$("token").value}`;
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error(words().unreachable);
  }
  const answer = await response.json().catch(() => ({ error: `${response.status} ${response.statusText}` }));
  if (response.ok) return answer;
  if (response.status === 401) {
    $("token-row").hidden = false;
    $("token").focus();
    throw new Error(words().needToken);
  }
  const seconds = response.headers.get("Retry-After");
  throw new Error(answer.error + (seconds ? words().retry(seconds) : ""));
}

async function readModel() {
  if (model) return;
  model = await ask("model");
  showModel();
}

async function tag() {
  const text = $("text").value.toWellFormed();
  $("error").textContent = "";
  $("status").textContent = words().busy;
  $("tag").disabled = true;
  try {
    await readModel();
    const answer = await ask("tag", { text });
    if (answer.model.name !== model.name || answer.model.version !== model.version) {
      model = null;
      await readModel();
    }
    shown = { characters: [...text], answer };
    show();
  } catch (error) {
    $("status").textContent = "";
    $("error").textContent = error.message;
  } finally {
    $("tag").disabled = false;
  }
}

const entities = () => shown.answer.results[0].entities;
const threshold = () => Number($("threshold").value) / 100;
const passing = () => entities().filter((e) => e.score >= threshold());
const visible = () => passing().filter((e) => !off.has(e.type));
const colour = (type) => `c${Math.max(0, model.types.indexOf(type)) % COLOURS}`;

function show() {
  $("found").hidden = false;
  $("threshold-value").textContent = threshold().toFixed(2);
  showLegend();
  showText();
  $("copied").textContent = "";
  $("status").textContent = words().status(visible().length, entities().length);
}

function showLegend() {
  const counts = new Map(model.types.map((type) => [type, 0]));
  for (const { type } of passing()) counts.set(type, (counts.get(type) || 0) + 1);
  const legend = $("legend");
  const focused = document.activeElement && document.activeElement.dataset.of;
  for (const label of legend.querySelectorAll("label")) label.remove();
  for (const [type, number] of counts) {
    const label = document.createElement("label");
    label.className = `type ${colour(type)}${number ? "" : " none"}`;
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !off.has(type);
    box.dataset.of = type;
    box.addEventListener("change", () => {
      if (box.checked) off.delete(type);
      else off.add(type);
      show();
    });
    const counted = document.createElement("span");
    counted.className = "number";
    counted.textContent = number;
    label.append(box, type, " ", counted);
    legend.append(label);
    if (focused === type) box.focus();
  }
}

function showText() {
  const result = $("result");
  result.replaceChildren(...pieces(visible(), 0, shown.characters.length));
}

// The characters from start to end with the entities that are in them. One that holds others is around them; one that
// crosses the one before it is shown in two pieces.
function pieces(found, start, end) {
  const nodes = [];
  let at = start;
  const rest = [...found].sort((a, b) => a.start - b.start || b.end - a.end);
  while (rest.length) {
    const outer = rest.shift();
    const inside = [];
    while (rest.length && rest[0].start < outer.end) inside.push(rest.shift());
    const first = Math.max(outer.start, at);
    const last = Math.min(outer.end, end);
    if (first >= last) continue;
    nodes.push(characters(at, first), mark(outer, pieces(inside, first, last)));
    at = last;
    for (const crossing of inside) if (crossing.end > last) rest.push(crossing);
    rest.sort((a, b) => a.start - b.start || b.end - a.end);
  }
  nodes.push(characters(at, end));
  return nodes;
}

const characters = (start, end) => document.createTextNode(shown.characters.slice(start, end).join(""));

function mark(entity, nodes) {
  const element = document.createElement("mark");
  element.className = colour(entity.type);
  element.dataset.type = entity.type;
  element.dataset.start = entity.start;
  element.dataset.end = entity.end;
  element.tabIndex = 0;
  element.setAttribute("aria-label", `${entity.text}: ${entity.type}, ${words().place(entity)}`);
  element.append(...nodes);
  for (const event of ["mouseenter", "focus"]) element.addEventListener(event, () => showTip(element, entity));
  for (const event of ["mouseleave", "blur"]) element.addEventListener(event, hideTip);
  return element;
}

function showTip(element, entity) {
  const tip = $("tip");
  tip.textContent = `${entity.type}\n${words().place(entity)}`;
  tip.hidden = false;
  const place = element.getClientRects()[0];
  const left = Math.min(place.left, window.innerWidth - tip.offsetWidth - 8);
  const above = place.top - tip.offsetHeight - 6;
  tip.style.setProperty("left", `${Math.max(8, left)}px`);
  tip.style.setProperty("top", `${above > 4 ? above : place.bottom + 6}px`);
}

function hideTip() {
  $("tip").hidden = true;
}

async function copy() {
  const json = JSON.stringify(
    { text: shown.characters.join(""), entities: visible(), model: shown.answer.model, min_score: threshold() },
    null,
    2,
  );
  try {
    await navigator.clipboard.writeText(json);
    $("copied").textContent = words().copied;
  } catch {
    $("copied").textContent = words().notCopied;
  }
}

async function take(file) {
  $("error").textContent = "";
  const most = model ? model.limits.body_bytes : 2 ** 20;
  if (file.size > most) {
    $("error").textContent = words().tooLarge(file.size, most);
    return;
  }
  try {
    put(new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()));
  } catch {
    $("error").textContent = words().notText;
    return;
  }
  tag();
}

function put(text) {
  $("text").value = text;
  showCount();
}

function begin() {
  speak();
  readModel().catch((error) => {
    $("error").textContent = error.message;
  });
  $("text").addEventListener("input", showCount);
  $("text").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) tag();
  });
  $("token").addEventListener("change", tag);
  $("tag").addEventListener("click", tag);
  $("example").addEventListener("click", () => {
    put(EXAMPLE);
    tag();
  });
  $("clear").addEventListener("click", () => {
    put("");
    shown = null;
    $("found").hidden = true;
    $("status").textContent = $("error").textContent = "";
    $("text").focus();
  });
  $("language").addEventListener("click", () => {
    language = language === "zh" ? "en" : "zh";
    speak();
  });
  $("threshold").addEventListener("input", show);
  $("copy").addEventListener("click", copy);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hideTip();
  });
  document.addEventListener("scroll", hideTip, true);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    $("text").classList.add("over");
  });
  document.addEventListener("dragleave", () => $("text").classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    $("text").classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) take(file);
    else put(event.dataTransfer.getData("text/plain"));
  });
}

begin();
