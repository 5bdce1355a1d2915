"use strict";

// Pair k shows the images 2k (left, side 0) and 2k + 1 (right, side 1) of the atlas.

const part = (id) => document.getElementById(id);
const SIDES = ["left", "right"];
const KEYS = { ArrowLeft: 0, 1: 0, ArrowRight: 1, 2: 1 };
const FADE = 150; // milliseconds in which a pair appears, or one might miss that it is another

const data = JSON.parse(part("data").textContent);
const truth = Array.from(atob(data.truth), (letter) => letter.charCodeAt(0)); // twice the source, plus the real side
const choices = [...document.querySelectorAll("#pair button")];
const answers = []; // of the pairs from the first on
let shown, saved = true;

const running = () => !part("test").hidden;
const percent = (share) => `${Math.round(100 * share)}%`;

function show() {
  const pair = answers.length, done = pair === truth.length;
  part("test").hidden = done;
  part("end").hidden = !done;
  if (done) return finish();
  choices.forEach((each, side) => paint(each.firstChild, 2 * pair + side));
  part("count").textContent = `${pair + 1} of ${truth.length}`;
  document.querySelector("progress").value = pair;
  part("undo").disabled = !pair;
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) part("pair").animate({ opacity: [0, 1] }, FADE);
  shown = performance.now();
}

function paint(canvas, i) {
  const { size, columns } = data;
  const x = (i % columns) * size, y = Math.floor(i / columns) * size;
  canvas.getContext("2d").drawImage(part("atlas"), x, y, size, size, 0, 0, size, size);
}

function answer(side) {
  saved = false;
  const milliseconds = Math.round(performance.now() - shown);
  answers.push({ pair: answers.length, side: SIDES[side], milliseconds });
  show();
}

function undo() {
  answers.pop();
  show();
}

// The end

function finish() {
  const wrong = truth.map((each, pair) => answers[pair].side !== SIDES[each & 1]);
  const errors = (of) => of.filter(Boolean).length;
  part("told").textContent = `You took the generated image for the real one in ${errors(wrong)} of ${truth.length} pairs.`;
  for (const [source, { cells }] of [...document.querySelector(".rates").tBodies[0].rows].entries()) {
    const own = wrong.filter((_, pair) => truth[pair] >> 1 === source);
    const rate = errors(own) / own.length, [low, high] = wilson(rate, own.length);
    const verdict = high < 0.5 ? "told apart" : low > 0.5 ? "seems more real" : "not told apart";
    const told = [`${errors(own)} of ${own.length}`, percent(rate), `${percent(low)} to ${percent(high)}`, verdict];
    told.forEach((words, k) => (cells[k + 1].textContent = words));
  }
  part("end").focus(); // so that it is read aloud
}

// As in evaluation/intervals.py.
function wilson(share, n) {
  const z = 1.959963984540054, scale = 1 + (z * z) / n;
  const centre = (share + (z * z) / (2 * n)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}

part("save").onclick = () => { // no form, as a frame that allows none would swallow the answers without a word
  const all = { format: "pullback-humans 1", test: data.digest, person: part("person").value.trim(), answers };
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(all)], { type: "application/json" }));
  link.download = `pullback-humans-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.json`;
  link.click();
  saved = true;
  part("saved").textContent = `Saved as ${link.download}`;
};

// Keys and taps

document.addEventListener("keydown", (event) => {
  if (!running() || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in KEYS) answer(KEYS[event.key]);
  else if (event.key === "Backspace" && answers.length) undo();
  else return;
  event.preventDefault();
});

choices.forEach((each, side) => (each.onclick = () => answer(side)));
part("undo").onclick = undo;
part("start").onclick = async () => {
  await part("atlas").decode();
  part("intro").hidden = true;
  show();
};
const framed = location.protocol === "blob:"; // so MLflow shows it among the artifacts, and lets nothing be saved
part("framed").hidden = !framed;
part("start").hidden = framed;
part("start").focus();

addEventListener("beforeunload", (event) => {
  if (!saved) event.preventDefault(); // the browser asks whether to leave
});
