"use strict";

// Image i is a point; at[2i], at[2i + 1] is where it is drawn, in units of the map, whose middle is 0, 0.

const part = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

const data = JSON.parse(part("data").textContent);
const n = data.source.length;
const maps = {};
for (const name in data.maps) maps[name] = Float32Array.from(data.maps[name].points, (each) => each ?? NaN);

const MARGIN = 20; // CSS pixels, as are all lengths on the screen
const REACH = { mouse: 12, pen: 12, touch: 24 }; // how far from a point a pointer may be
const CLICK = 5; // a pointer that has travelled farther has dragged
const MOST_ZOOM = 64;
const CELLS = 64; // of the grid, along each side
const GLIDE = 450; // milliseconds from one map to the next
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const canvas = part("map"), controls = part("controls"), tip = part("tip");
const pen = canvas.getContext("2d");
let sprites; // the atlas, decoded once
let width, height, ratio; // of the canvas, and device pixels per CSS pixel

let method, goal; // the chosen map and its coordinates, to which the points glide
let at = new Float32Array(2 * n).fill(NaN), from, started, gliding = false;
const visible = new Uint8Array(n);
const view = { x: 0, y: 0, zoom: 1 }; // the middle of the canvas in units of the map
let hovered = -1, pinned = -1;

// The view

const scale = () => (view.zoom * (Math.min(width, height) - 2 * MARGIN)) / data.span;
const screenX = (i) => width / 2 + (at[2 * i] - view.x) * scale();
const screenY = (i) => height / 2 + (at[2 * i + 1] - view.y) * scale();
const mapX = (x) => view.x + (x - width / 2) / scale();
const mapY = (y) => view.y + (y - height / 2) / scale();

function look(x, y, zoom) {
  view.x = clamp(x, -data.span / 2, data.span / 2);
  view.y = clamp(y, -data.span / 2, data.span / 2);
  view.zoom = clamp(zoom, 1, MOST_ZOOM);
  redraw();
  save();
}

function zoom(factor, x = width / 2, y = height / 2) {
  const fixedX = mapX(x), fixedY = mapY(y), after = clamp(view.zoom * factor, 1, MOST_ZOOM);
  const share = view.zoom / after;
  look(fixedX + (view.x - fixedX) * share, fixedY + (view.y - fixedY) * share, after);
}

// Which points are there, and where

function choose() {
  const chosen = new FormData(controls);
  const sources = new Set(chosen.getAll("source"));
  const fits = (wanted, value) => !wanted || Number(wanted) === value; // "" and null want all, "0" does not
  if (method !== chosen.get("method")) {
    glide(chosen.get("method"));
    look(0, 0, 1);
  }
  for (let i = 0; i < n; i++)
    visible[i] =
      !Number.isNaN(goal[2 * i]) &&
      sources.has(sourceOf(i).name) &&
      fits(chosen.get("class"), data.class[i]) &&
      fits(chosen.get("cluster"), data.cluster[i]);
  index();
  hover(-1);
  tellCounts();
  tellAbsence();
  save();
}

function glide(name) {
  method = name;
  goal = maps[name];
  from = at.slice();
  started = performance.now();
  gliding = true;
}

function move(now) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const time = still ? 1 : clamp((now - started) / GLIDE, 0, 1);
  const share = time * time * (3 - 2 * time);
  for (let j = 0; j < 2 * n; j++) {
    const between = from[j] + (goal[j] - from[j]) * share;
    at[j] = time === 1 || Number.isNaN(between) ? goal[j] : between; // NaN: had no place to come from
  }
  gliding = time < 1;
  if (gliding) redraw();
}

// The visible points of each cell of a grid over the map: members[starts[cell]] to members[starts[cell + 1] - 1]

const starts = new Int32Array(CELLS * CELLS + 1), members = new Int32Array(n);
const line = (value) => clamp(Math.floor((value / data.span + 0.5) * CELLS), 0, CELLS - 1);
const cell = (i) => line(goal[2 * i + 1]) * CELLS + line(goal[2 * i]);

function index() {
  starts.fill(0);
  for (let i = 0; i < n; i++) if (visible[i]) starts[cell(i) + 1]++;
  for (let c = 0; c < CELLS * CELLS; c++) starts[c + 1] += starts[c];
  const next = starts.slice();
  for (let i = 0; i < n; i++) if (visible[i]) members[next[cell(i)]++] = i;
}

function nearest(x, y, reach) {
  let best = -1, least = reach * reach;
  for (let row = line(y - reach); row <= line(y + reach); row++) {
    const end = starts[row * CELLS + line(x + reach) + 1];
    for (let k = starts[row * CELLS + line(x - reach)]; k < end; k++) {
      const i = members[k], square = (goal[2 * i] - x) ** 2 + (goal[2 * i + 1] - y) ** 2;
      if (square < least) [best, least] = [i, square];
    }
  }
  return best;
}

function under(event) {
  const reach = REACH[event.pointerType] ?? REACH.mouse;
  return nearest(mapX(event.offsetX), mapY(event.offsetY), reach / scale());
}

// The nearest point in a direction, the straighter the better; `start` itself if there is none.
function neighbor(start, [dx, dy]) {
  let best = start, least = Infinity;
  for (const i of members.subarray(0, starts[CELLS * CELLS])) {
    const x = goal[2 * i] - goal[2 * start], y = goal[2 * i + 1] - goal[2 * start + 1];
    const along = x * dx + y * dy, far = along + 2 * Math.abs(x * dy - y * dx);
    if (along > 0 && far < least) [best, least] = [i, far];
  }
  return best;
}

// Drawing

const mixed = (i) => Math.imul(i, 0x9e3779b1) >>> 0; // in the order of rows the last source would hide the others
const order = Int32Array.from({ length: n }, (_, i) => i).sort((a, b) => mixed(a) - mixed(b));
const word = (red, green, blue) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
const inks = data.sources.map(({ color }) => word(...[1, 3, 5].map((k) => parseInt(color.slice(k, k + 2), 16))));
let frame, pixels; // all of the canvas, a word per pixel
let radius, dot, side; // of a dot: how much of each of its side * side pixels it covers, 0 to 256
let queued = false;

function redraw() {
  if (!queued) requestAnimationFrame(draw);
  queued = true;
}

// Dots are stamped into the pixels by hand, many times as quick as thousands of calls to the canvas.
function draw(now) {
  queued = false;
  if (gliding) move(now);
  makeDot();
  const style = getComputedStyle(canvas);
  pixels.fill(word(...style.backgroundColor.match(/\d+/g)));
  const unit = ratio * scale();
  const left = (frame.width - side) / 2 - view.x * unit, top = (frame.height - side) / 2 - view.y * unit;
  for (const i of order) {
    const x = Math.round(at[2 * i] * unit + left), y = Math.round(at[2 * i + 1] * unit + top);
    if (visible[i]) stamp(x, y, inks[data.source[i]]);
  }
  pen.putImageData(frame, 0, 0);
  pen.strokeStyle = style.color;
  if (visible[pinned]) drawLinks();
  for (const i of [pinned, hovered]) if (visible[i]) ring(i, 2.5, 2);
  placeTip();
}

function stamp(x, y, ink) {
  const { width: across, height: down } = frame;
  const firstRow = Math.max(0, -y), lastRow = Math.min(side, down - y);
  const first = Math.max(0, -x), last = Math.min(side, across - x);
  for (let row = firstRow; row < lastRow; row++)
    for (let k = first; k < last; k++) {
      const share = dot[row * side + k], p = (y + row) * across + x + k;
      if (share) pixels[p] = mix(pixels[p], ink, share);
    }
}

// Of two words, red and blue at once and then green.
function mix(old, ink, share) {
  const mask = 0xff00ff, rest = 256 - share;
  const redBlue = (((old & mask) * rest + (ink & mask) * share) >>> 8) & mask;
  return 0xff000000 | redBlue | ((((old & 0xff00) * rest + (ink & 0xff00) * share) >>> 8) & 0xff00);
}

function makeDot() {
  const crowd = Math.sqrt((0.06 * width * height) / (Math.PI * n)); // at which all dots would fill this share
  const wanted = Math.min(7, clamp(crowd, 1.8, 4.5) * Math.sqrt(view.zoom)) * ratio;
  if (wanted === radius) return;
  radius = wanted;
  const middle = Math.ceil(radius);
  side = 2 * middle + 1;
  dot = Uint16Array.from({ length: side * side }, (_, k) => {
    const distance = Math.hypot((k % side) - middle, Math.floor(k / side) - middle);
    return 256 * clamp(radius + 0.5 - distance, 0, 1);
  });
}

function drawLinks() {
  pen.globalAlpha = 0.6;
  for (const i of data.neighbors[pinned].flat()) {
    if (!visible[i]) continue;
    ring(i, 1, 1);
    pen.beginPath();
    pen.moveTo(screenX(pinned), screenY(pinned));
    pen.lineTo(screenX(i), screenY(i));
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

function ring(i, gap, thick) {
  pen.lineWidth = thick;
  pen.beginPath();
  pen.arc(screenX(i), screenY(i), radius / ratio + gap, 0, 2 * Math.PI);
  pen.stroke();
}

function resize() {
  ({ width, height } = canvas.getBoundingClientRect());
  ratio = devicePixelRatio;
  canvas.width = Math.max(1, Math.round(width * ratio)); // 0 while the page is out of sight, which no frame can be
  canvas.height = Math.max(1, Math.round(height * ratio));
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  frame = pen.createImageData(canvas.width, canvas.height);
  pixels = new Uint32Array(frame.data.buffer);
  draw(performance.now()); // at once: a new size has emptied the canvas
}

// Images and words

const sourceOf = (i) => data.sources[data.source[i]];
const classOf = (i) => data.classes[data.class[i]] ?? "none";
const distanceOf = (i, kind, k) => Number(data.distances[i][kind][k].toPrecision(3));
const describe = (i) =>
  `${sourceOf(i).label}, ${data.class[i] < 0 ? "" : `class ${classOf(i)}, `}cluster ${data.cluster[i]}`;

// Image i, its pixels enlarged to sharp squares, about `side` wide.
function paint(tile, i, side) {
  const { size, columns } = data.atlas;
  tile.width = tile.height = size;
  tile.style.width = `${size * Math.max(1, Math.round(side / size))}px`;
  tile
    .getContext("2d")
    .drawImage(sprites, (i % columns) * size, Math.floor(i / columns) * size, size, size, 0, 0, size, size);
}

function hover(i) {
  hovered = i;
  tip.hidden = i < 0;
  if (i >= 0) {
    paint(tip.firstChild, i, 96);
    tip.lastChild.textContent = describe(i);
  }
  redraw();
}

function placeTip() {
  if (hovered < 0) return;
  const x = screenX(hovered), y = screenY(hovered);
  const beside = (flipped) => (flipped ? "calc(-100% - 14px)" : "14px");
  tip.style.transform = `translate(${x}px, ${y}px) translate(${beside(x > width / 2)}, ${beside(y > height / 2)})`;
}

function pin(i) {
  pinned = i;
  part("pinned").hidden = i < 0;
  part("hint").hidden = i >= 0;
  if (i >= 0) {
    paint(part("image"), i, 128);
    part("its-source").textContent = sourceOf(i).label;
    part("its-class").textContent = classOf(i) + (data.source[i] && data.class[i] >= 0 ? " (asked for)" : "");
    part("its-cluster").textContent = data.cluster[i];
    buttons.forEach((each, kind) => each.forEach((button, k) => showNeighbor(button, i, kind, k)));
    tellAbsence();
  }
  tell(i < 0 ? "" : `Pinned: ${describe(i)}. ${tellNearest(i, 0)} ${tellNearest(i, 1)}`);
  redraw();
  save();
}

// The buttons stay while their images change, so that the focus of the keyboard stays too.
const buttons = [...document.querySelectorAll(".near")].map((list, kind) =>
  data.neighbors[0][kind].map(() => {
    const item = list.appendChild(document.createElement("li"));
    item.innerHTML = '<button type="button"><canvas class="tile"></canvas><span></span></button>';
    return item.firstChild;
  }),
);

function showNeighbor(button, i, kind, k) {
  const other = data.neighbors[i][kind][k];
  paint(button.firstChild, other, 48);
  button.lastChild.textContent = distanceOf(i, kind, k);
  button.title = describe(other);
  button.ariaLabel = `${button.title}, at distance ${distanceOf(i, kind, k)}`;
  button.style.setProperty("--ink", sourceOf(other).color);
  button.onclick = () => pin(other);
}

function tell(words) {
  part("told").textContent = words;
}

function tellNearest(i, kind) {
  const kindOf = kind ? "generated" : "real";
  return `Nearest ${kindOf} image: ${describe(data.neighbors[i][kind][0])}, at ${distanceOf(i, kind, 0)}.`;
}

function tellCounts() {
  const { label, scores } = data.maps[method];
  const count = (wanted) => order.reduce((sum, i) => sum + wanted(i), 0);
  const absent = count((i) => Number.isNaN(goal[2 * i])), shown = count((i) => visible[i]);
  const unplaced = absent ? `, ${absent.toLocaleString("en")} images could not be placed` : "";
  const told = `Shown: ${shown.toLocaleString("en")} of ${n.toLocaleString("en")}.`;
  part("count").textContent = `${label}: ${scores}${unplaced}. ${told}`;
}

function tellAbsence() {
  const unplaced = Number.isNaN(goal[2 * pinned]);
  const why = unplaced ? `Not placed by ${data.maps[method].label}.` : "Hidden by the choices above.";
  part("absent").textContent = visible[pinned] ? "" : why;
}

// The address tells all that is chosen, so that it can be kept and sent.

let saving;

function save() {
  clearTimeout(saving);
  saving = setTimeout(() => history.replaceState(null, "", `#${address()}`), 250); // browsers refuse to do it too often
}

function address() {
  const hash = new URLSearchParams({ method }), sources = new FormData(controls).getAll("source");
  if (sources.length < data.sources.length) hash.set("sources", sources.join());
  for (const { name, value } of controls.querySelectorAll("select")) if (value) hash.set(name, value);
  if (pinned >= 0) hash.set("point", pinned);
  const seen = [Math.round(view.x), Math.round(view.y), Number(view.zoom.toPrecision(4))];
  if (seen.join() !== "0,0,1") hash.set("view", seen.join());
  return hash;
}

function restore() {
  const hash = new URLSearchParams(location.hash.slice(1));
  const [methods, boxes] = ["method", "source"].map((name) => [...controls.querySelectorAll(`[name=${name}]`)]);
  (methods.find(({ value }) => value === hash.get("method")) ?? methods[0]).checked = true;
  const sources = hash.get("sources"), named = boxes.filter(({ value }) => sources?.split(",").includes(value));
  const all = !named.length && sources !== ""; // none is named, or unknown ones alone; "" if none was chosen
  for (const each of boxes) each.checked = all || named.includes(each);
  for (const each of controls.querySelectorAll("select")) {
    each.value = hash.get(each.name) ?? "";
    if (each.selectedIndex < 0) each.value = ""; // no such class or cluster
  }
  choose();
  const point = Number(hash.get("point") ?? NaN);
  pin(point in data.source ? point : -1);
  const seen = hash.get("view")?.split(",").map(Number) ?? [];
  look(...(seen.length === 3 && seen.every(Number.isFinite) ? seen : [0, 0, 1]));
}

// Pointers and keys

const pointers = new Map(); // where each one that is down is
let travelled = 0;
const middle = (places, axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length;
const apart = ([a, b]) => (b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 1);

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return; // not the main one
  canvas.setPointerCapture(event.pointerId);
  if (!pointers.size) travelled = 0;
  pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
});

canvas.addEventListener("pointermove", (event) => {
  if (!pointers.has(event.pointerId)) return hover(under(event));
  const before = [...pointers.values()];
  pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  const after = [...pointers.values()];
  const x = middle(after, 0), y = middle(after, 1), dx = x - middle(before, 0), dy = y - middle(before, 1);
  travelled += Math.hypot(dx, dy) + Math.abs(apart(after) - apart(before));
  hover(-1);
  look(view.x - dx / scale(), view.y - dy / scale(), view.zoom);
  zoom(apart(after) / apart(before), x, y);
});

canvas.addEventListener("pointerup", (event) => {
  if (pointers.size === 1 && travelled <= CLICK) pin(under(event));
  pointers.delete(event.pointerId);
});

canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
canvas.addEventListener("pointerleave", () => hover(-1));
canvas.addEventListener("blur", () => hover(-1));

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
});

canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return; // for the browser
  const fixed = visible[hovered] ? [screenX(hovered), screenY(hovered)] : [];
  if (STEPS[event.key]) walk(STEPS[event.key]);
  else if (event.key === "Enter" && hovered >= 0) pin(hovered);
  else if (event.key === "+" || event.key === "=") zoom(1.5, ...fixed);
  else if (event.key === "-") zoom(1 / 1.5, ...fixed);
  else if (event.key === "0") look(0, 0, 1);
  else return;
  event.preventDefault();
});

function walk(step) {
  const start = [hovered, pinned].find((i) => visible[i]);
  const next = start === undefined ? nearest(view.x, view.y, Infinity) : neighbor(start, step);
  if (next < 0) return; // all are hidden
  hover(next);
  tell(describe(next));
  const x = screenX(next), y = screenY(next);
  if (x < 0 || y < 0 || x > width || y > height) look(goal[2 * next], goal[2 * next + 1], view.zoom);
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  hover(-1);
  pin(-1);
});

controls.addEventListener("change", choose);
controls.addEventListener("submit", (event) => event.preventDefault());
part("nearer").onclick = () => zoom(1.5);
part("farther").onclick = () => zoom(1 / 1.5);
part("whole").onclick = () => look(0, 0, 1);
part("unpin").onclick = () => pin(-1);

async function start() {
  await part("atlas").decode();
  sprites = await createImageBitmap(part("atlas"));
  resize();
  restore();
  new ResizeObserver(resize).observe(canvas);
  addEventListener("hashchange", restore);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

start();
