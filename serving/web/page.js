// A photograph goes to a model by TensorFlow Serving's REST, a painting comes
// back. In order: the server, the model, the photograph, painting, the events.
"use strict";

const $ = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];

const CATALOGUE = JSON.parse($("catalogue").textContent);
const MODELS = Object.keys(CATALOGUE).join(", ");
const MAX_PIXELS = 2048 * 2048; // Of a model that does not tell.
const SAMPLE = 160; // Longer side of a style's sample, in pixels.
const HEAD = 1 << 18; // Bytes in which a file tells what it is.

const query = new URLSearchParams(location.search);
const now = { server: null, versions: {}, model: null, photograph: null };
const running = {}; // What stops what runs, by name.

/** Stops what was begun by this name; gives the signal of what begins now. */
function begin(name) {
  running[name]?.abort();
  running[name] = new AbortController();
  return running[name].signal;
}

// The server

/** What cannot be done, in words; `status` is HTTP's, or 0. */
class Refusal extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Returns the URL that stands in the field, or that of the page. */
function address() {
  const given = $("address").value.trim() || location.origin;
  const whole = /^https?:/.test(given) ? given : `http://${given}`;
  return whole.replace(/\/+$/, "");
}

/** Asks the server; gives the JSON that it answers, or throws a `Refusal`. */
function ask(path, { body, signal, onStep = () => {} }) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const request = new XMLHttpRequest(); // Unlike fetch, tells what is sent.
    const { url, token } = now.server;
    request.open(body ? "POST" : "GET", `${url}/v1/models/${path}`);
    if (token) request.setRequestHeader("Authorization", `Bearer ${token}`);
    if (body) {
      request.upload.onprogress = (e) => onStep("Sending", e.loaded / e.total);
      request.upload.onload = () => onStep("Waiting for the model");
      request.onprogress = (e) =>
        onStep("Receiving", e.lengthComputable ? e.loaded / e.total : null);
    }
    request.onload = () => {
      try {
        resolve(read(request));
      } catch (error) {
        reject(error);
      }
    };
    request.onerror = () => reject(new Refusal(
      `No answer from ${url}. Does it run, and does it take requests from ` +
      "pages of other servers?"));
    signal.addEventListener("abort", () => request.abort());
    request.onabort = () => reject(signal.reason);
    request.send(body && JSON.stringify(body));
  });
}

/** Returns what was answered, or throws why not, without names of the graph. */
function read({ status, responseText }) {
  let answer;
  try {
    answer = JSON.parse(responseText);
  } catch {
    throw new Refusal(`No model server at ${now.server.url} (HTTP ${status}).`);
  }
  if (status === 200) return answer;
  const [text] = (answer.error ?? `HTTP ${status}`).split("\n\t [[");
  const asserted = /assertion failed: \[([^\]]*)\]/.exec(text);
  throw new Refusal(
    asserted ? asserted[1] : text.replace(/\{\{.*?\}\} ?/g, ""), status);
}

/** Looks which models of the list the server has. */
async function connect() {
  const signal = begin("connect");
  now.server = { url: address(), token: $("token").value };
  now.versions = {};
  now.model = null;
  ready();
  $("server-says").textContent = now.server.url;
  const names = $("names").value.split(/[\s,]+/).filter(Boolean);
  try {
    for (const name of names) await look(name, signal);
    if (!Object.keys(now.versions).length) {
      throw new Refusal(
        `${now.server.url} serves none of: ${names.join(", ")}.`);
    }
  } catch (error) {
    $("server").open = true;
    if (error.status === 401) $("token").focus();
    throw error;
  }
  fill($("model"), Object.keys(now.versions).map((name) => [name, name]));
  return chooseModel();
}

async function look(name, signal) {
  try {
    const answer = await ask(encodeURIComponent(name), { signal });
    const versions = answer.model_version_status
      .filter(({ state }) => state === "AVAILABLE")
      .map(({ version }) => version);
    if (versions.length) now.versions[name] = versions;
  } catch (error) {
    if (error.status !== 404) throw error;
  }
}

/** Keeps the token in this tab, and the rest in the page's address. */
function remember() {
  sessionStorage.setItem(`token of ${address()}`, $("token").value);
  for (const id of ["server", "models"]) query.delete(id);
  const [server, models] = [$("address").value.trim(), $("names").value];
  if (server) query.set("server", server);
  if (models !== MODELS) query.set("models", models);
  history.replaceState(null, "", `${location.pathname}?${query}`);
}

/** Fills in the token that this tab had for the server, and no other's. */
function recall() {
  $("token").value = sessionStorage.getItem(`token of ${address()}`) ?? "";
}

// The model

function fill(select, options) {
  select.replaceChildren(...options.map((both) => new Option(...both)));
}

function chooseModel() {
  const [newest, ...older] = now.versions[$("model").value];
  const options = older.map((version) => [version, version]);
  fill($("version"), [[`${newest}, the newest`, ""], ...options]);
  return chooseVersion();
}

/** Reads what the version takes, and shows the fields for it. */
async function chooseVersion() {
  const signal = begin("model");
  const name = $("model").value;
  const version = $("version").value && `/versions/${$("version").value}`;
  const path = encodeURIComponent(name) + version;
  now.model = null;
  ready();
  const { metadata } = await ask(`${path}/metadata`, { signal });
  const { serving_default, about } = metadata.signature_def.signature_def;
  const inputs = serving_default?.inputs ?? {};
  if (!inputs.image_bytes) throw new Refusal(`${name} takes no pictures.`);
  now.model = {
    name,
    path,
    inputs: Object.keys(inputs),
    styles: Number(inputs.style_weights?.tensor_shape.dim[1].size ?? 0),
    maxPixels: about?.defaults?.max_pixels?.int_val?.[0] ?? MAX_PIXELS,
  };
  all("[data-painter]").forEach((node) => (node.hidden = !now.model.styles));
  $("styles").hidden = now.model.styles < 2;
  $("paint").textContent = now.model.styles ? "Paint" : "Start";
  $("cards").replaceChildren(...Array.from({ length: now.model.styles }, card));
  choose(0);
  return showSamples();
}

/** Returns the picture, the name and the slider of style `i`. */
function card(_, i) {
  const node = $("card").content.cloneNode(true);
  const name = CATALOGUE[now.model.name]?.[i] ?? `Style ${i + 1}`;
  node.querySelector(".initial").textContent = name[0];
  node.querySelector(".name").textContent = name;
  node.querySelector(".unseen").textContent = `Share of ${name}`;
  node.querySelector("button").onclick = () => choose(i);
  node.querySelector("input").oninput = showShares;
  return node;
}

function choose(style) {
  all(".card input").forEach((input, i) => {
    input.value = i === style ? 100 : 0;
  });
  showShares();
}

/** Returns how much of each style is wished: in all 1, or of each 0. */
function shares() {
  const values = all(".card input").map((input) => Number(input.value));
  const sum = values.reduce((x, y) => x + y, 0) || 1;
  return values.map((value) => value / sum);
}

function showShares() {
  const wished = shares();
  all(".card").forEach((node, i) => {
    const percent = Math.round(100 * wished[i]);
    node.classList.toggle("used", wished[i] > 0);
    node.querySelector("button").ariaPressed = wished[i] === 1;
    node.querySelector("input").ariaValueText = `${percent} %`;
    node.querySelector(".share").textContent = `${percent} %`;
  });
  ready();
}

/** Paints a small copy of the photograph in each style. */
async function showSamples() {
  const signal = begin("samples");
  const { model, photograph } = now;
  if (!photograph || !(model?.styles > 1)) return;
  const wishes = { jpeg_quality: 90, strength: 1, preserve_color: false };
  for (const [i, image] of all(".card img").entries()) {
    wishes.style_weights = Array(model.styles).fill(0).with(i, 1);
    show(image, await send(photograph, SAMPLE, model, wishes, { signal }));
    image.hidden = false;
  }
}

// The photograph

/** Shows a file, if it is a picture. */
async function open(file) {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Refusal(`${file.name} is no picture that this browser reads.`);
  });
  running.paint?.abort();
  now.photograph = { file, bitmap };
  show($("photograph"), file);
  $("view").style.setProperty("--ratio", bitmap.width / bitmap.height);
  $("notice").textContent = `${bitmap.width} × ${bitmap.height} pixels`;
  $("drop").hidden = $("compare").hidden = $("download").hidden = true;
  $("easel").hidden = $("after").hidden = false;
  ready();
  return showSamples();
}

function show(image, blob) {
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
}

/** Returns the file to send, no larger than it may be, and its size. */
async function prepare({ file, bitmap }, maxPixels, side) {
  const { width, height } = bitmap;
  const fits = Math.sqrt(maxPixels / (width * height));
  const scale = Math.min(1, fits, side / Math.max(width, height));
  const limited = scale === fits && scale < 1;
  if (scale === 1 && (await isPlain(file))) return { file, width, height };
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.floor(width * scale));
  canvas.height = Math.max(1, Math.floor(height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white"; // As the server sees what is transparent.
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const type = file.type === "image/png" ? file.type : "image/jpeg";
  const drawn = await new Promise((done) => canvas.toBlob(done, type, 0.95));
  return { file: drawn, width: canvas.width, height: canvas.height, limited };
}

/** Tells whether the server sees a file as a browser: upright, in sRGB. */
async function isPlain(file) {
  const head = await file.slice(0, HEAD).arrayBuffer();
  const text = new TextDecoder("latin1").decode(head);
  return /^(.PNG\r\n|\xff\xd8\xff)/.test(text) &&
    !/Exif\0|ICC_PROFILE|Adobe|eXIf|iCCP|cICP/.test(text);
}

// Painting

function ready() {
  const wished = !now.model?.styles || shares().some(Boolean);
  $("paint").disabled = !(now.model && now.photograph && wished);
}

/** Sends a file and wishes to a model; gives the file that comes back. */
async function predict(model, file, wishes, options) {
  const url = await new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(file);
  });
  const given = { image_bytes: { b64: url.split(",")[1] }, ...wishes };
  // REST wants every input of the signature, and no other.
  const instance = Object.fromEntries(model.inputs.map((k) => [k, given[k]]));
  const body = { instances: [instance] };
  const answer = await ask(`${model.path}:predict`, { body, ...options });
  const bytes = atob(answer.predictions[0].b64);
  const type = wishes.jpeg_quality ? "image/jpeg" : "image/png";
  return new Blob([Uint8Array.from(bytes, (c) => c.charCodeAt(0))], { type });
}

/** Sends a photograph, no larger than wished nor than the model takes. */
async function send(photograph, side, model, wishes, options) {
  const sent = await prepare(photograph, model.maxPixels, side);
  options.onPrepared?.(sent);
  try {
    return await predict(model, sent.file, wishes, options);
  } catch (error) {
    const most = /image too large: at most (\d+) pixels/.exec(error.message);
    if (!most || Number(most[1]) >= model.maxPixels) throw error;
    model.maxPixels = Number(most[1]); // It had not told before.
    return send(photograph, side, model, wishes, options);
  }
}

async function paint() {
  const { model, photograph } = now;
  const signal = begin("paint");
  const side = Number($("side").value) || Infinity;
  const wishes = {
    jpeg_quality: Number($("quality").value),
    style_weights: shares(),
    strength: Number($("strength").value) / 100,
    preserve_color: $("preserve-color").checked,
  };
  const start = performance.now();
  $("work").hidden = false;
  $("work").scrollIntoView({ block: "nearest" });
  onStep("Preparing");
  try {
    const onPrepared = (sent) => notice(photograph.bitmap, sent, model);
    const options = { signal, onStep, onPrepared };
    const painting = await send(photograph, side, model, wishes, options);
    exhibit(painting, photograph.file, model);
    const seconds = (performance.now() - start) / 1000;
    say(`Done in ${seconds.toFixed(1)} seconds.`);
  } finally {
    if (running.paint.signal === signal) $("work").hidden = true;
  }
}

function onStep(step, share = null) {
  say(`${step}…`);
  if (share === null) $("progress").removeAttribute("value");
  else $("progress").value = share;
}

/** Says how large a photograph is, and how large it is sent. */
function notice({ width, height }, sent, { maxPixels }) {
  const most = maxPixels.toLocaleString("en");
  const why = sent.limited ? `: the model takes at most ${most}` : "";
  const shrunk = `, sent as ${sent.width} × ${sent.height}${why}`;
  $("notice").textContent =
    `${width} × ${height} pixels${sent.width < width ? shrunk : ""}`;
}

function exhibit(painting, { name }, model) {
  const kind = model.styles ? "Painting" : "Result";
  show($("painting"), painting);
  $("painting").alt = $("came-back").textContent = kind;
  const ending = painting.type === "image/png" ? ".png" : ".jpg";
  const stem = name.replace(/\.\w+$/, "");
  $("download").href = $("painting").src;
  $("download").download = `${stem}-${model.name}${ending}`;
  $("compare").hidden = $("download").hidden = false;
}

// The events

function say(text, problem = "") {
  if ($("status").textContent !== text) $("status").textContent = text;
  $("error").textContent = problem;
}

/** Runs what may fail, and says so. */
async function attempt(action, ...given) {
  say("");
  try {
    await action(...given);
  } catch (error) {
    if (error.name === "AbortError") return;
    const unforeseen = error instanceof Refusal ? "" : "Sorry: ";
    say("", unforeseen + error.message);
  }
}

/** Shows the photograph as far as a share of the width, in percent. */
function cut(percent) {
  $("cut").value = percent;
  $("cut").ariaValueText = `${$("cut").value} %`;
  $("compare").style.setProperty("--cut", `${$("cut").value}%`);
}

function drag(event) {
  const { left, width } = $("compare").getBoundingClientRect();
  cut((100 * (event.clientX - left)) / width);
}

function take(files) {
  if (files.length) attempt(open, files[0]);
}

$("compare").onpointerdown = (event) => {
  $("compare").setPointerCapture(event.pointerId);
  drag(event);
};
$("compare").onpointermove = (event) => {
  if ($("compare").hasPointerCapture(event.pointerId)) drag(event);
};
$("cut").oninput = () => cut($("cut").value);
$("strength").oninput = () => {
  $("strength-says").textContent = `${$("strength").value} %`;
};
$("model").onchange = () => attempt(chooseModel);
$("version").onchange = () => attempt(chooseVersion);
$("address").onchange = recall;
$("cancel").onclick = () => {
  running.paint.abort();
  say("Cancelled.");
};
$("wishes").onsubmit = (event) => {
  event.preventDefault();
  attempt(paint);
};
$("connection").onsubmit = (event) => {
  event.preventDefault();
  remember();
  attempt(connect);
};
for (const input of all("[data-photograph]")) {
  input.onchange = () => {
    take([...input.files]);
    input.value = ""; // The same may be chosen again.
  };
}
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files);
  });
}
document.onpaste = (event) => take(event.clipboardData.files);

$("address").value = query.get("server") ?? "";
$("address").placeholder = location.origin;
$("names").value = query.get("models") ?? MODELS;
$("strength").oninput();
recall();
attempt(connect);
