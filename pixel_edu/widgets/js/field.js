// Guidance in the plane, where the answer is exact: points flow from noise to a class, along arrows that guidance bends.

import { BLOBS, guidedEps, nearestShare, outsideShare, spreadAt, spreadOf } from "./mixture.js";
import { COLORS, plane } from "./plane.js";
import { Generator } from "./random.js";
import { ddimSteps } from "./samplers.js";
import { cosine } from "./schedules.js";
import { button, calm, choice, element, put, seed, slider, status, whenever } from "./ui.js";

export const COUNT = 160, CALLS = 50;
const CLASSES = { 0: "0, right", 1: "1, left", 2: "2, below" };
const REACH = 2.8, CELL = 0.4, TAIL = 6;

/** Where the points are before the first call and after each: 51 moments. */
export async function pathOf(schedule, label, scale, seed) {
  const moments = [new Generator(seed).normal(2 * COUNT)];
  const steps = ddimSteps(guidedEps(schedule, label, scale), schedule, moments[0], CALLS);
  for await (const { x } of steps) moments.push(x);
  return moments;
}

/** What chapter 6 measures of a cloud, and what leaves the data. */
export function measured(points, label, level) {
  return {
    right: nearestShare(points, label, level),
    spread: spreadOf(points),
    outside: outsideShare(points, label, level),
  };
}

function inWords({ right, spread, outside }) {
  const percent = (share) => `${Math.round(100 * share)}\u00a0%`;
  return `${percent(right)} nearest to a blob of the class, spread ${spread.toFixed(2)}, ` +
    `${percent(outside)} outside its rings`;
}

function render({ model, el }) {
  const schedule = cosine(), stops = schedule.timesteps(CALLS), said = status();
  const { picture, redraw, stop } = plane(REACH, draw);
  let moments = [], playing = false;
  const chosen = () => [model.get("label"), model.get("guidance_scale"), model.get("seed")];
  const asked = () => stops[Math.min(model.get("step"), CALLS - 1)]; // at the end, the last call's timestep

  async function run() {
    const [label, scale, seed] = chosen();
    moments = await pathOf(schedule, label, scale, seed);
    const plain = scale === 1 ? moments : await pathOf(schedule, label, 1, seed);
    const [ours, theirs] = [moments, plain].map((path) => inWords(measured(path.at(-1), label)));
    said.textContent = `At the end, with w = ${scale}: ${ours}.` + (scale === 1 ? "" : `\nWith w = 1: ${theirs}.`);
    show();
  }

  function show() {
    const step = model.get("step"), [label, scale] = chosen();
    const when = step === 0
      ? "in the noise, before the first call"
      : step < CALLS
      ? `on their way from noise to the class, after call ${step} of ${CALLS}`
      : "at their end";
    picture.setAttribute(
      "aria-label",
      `Points of class ${CLASSES[label]}, with guidance ${scale}, ${when}: ` +
        `${
          inWords(measured(moments[step], label, schedule.level(stops[step])))
        }. Arrows show which way a point is sent.`,
    );
    redraw();
  }

  function draw(pen) {
    if (!moments.length) return;
    const step = model.get("step"), [label, scale] = chosen(), color = COLORS[label];
    const level = schedule.level(stops[step]), points = moments[step];
    pen.blobs(level, (other) => other === label ? 0.34 : 0.17);
    drawField(pen, guidedEps(schedule, label, scale), asked());
    for (const blob of BLOBS) {
      const [x, y] = [level.signal * blob.x, level.signal * blob.y];
      if (blob.label === label) pen.ring(x, y, 2 * spreadAt(level) * pen.unit, color, 1.5);
    }
    const tails = moments.slice(Math.max(step - TAIL, 0), step + 1);
    for (let i = 0; i < points.length; i += 2) pen.line(tails.map((x) => [x[i], x[i + 1]]), color, 1.2, 0.45);
    for (let i = 0; i < points.length; i += 2) pen.mark(points[i], points[i + 1], color, 2.6);
    for (const { x, y } of BLOBS) pen.cross(level.signal * x, level.signal * y, 5, pen.ink);
  }

  async function play() {
    if (playing) return pause();
    if (calm()) return put(model, "step", model.get("step") === CALLS ? 0 : CALLS);
    playing = true;
    player.textContent = "Pause";
    const first = model.get("step");
    for (let step = first === CALLS ? 0 : first; step <= CALLS; step++) {
      put(model, "step", step);
      await new Promise((done) => setTimeout(done, step ? 50 : 400));
      if (!playing) return;
      if (model.get("step") !== step) break; // the reader has taken the slider
    }
    pause();
  }

  function pause() {
    playing = false;
    player.textContent = "Play";
  }

  const player = button("Play", play, { class: "pixel-main" });
  whenever(model, ["label", "guidance_scale", "seed"], run);
  whenever(model, ["step"], show);
  said.style.whiteSpace = "pre-line";
  el.classList.add("pixel-panel");
  const told =
    "Dots are points, and arrows show which way they are sent. Shades are the classes' blobs at this noise level; " +
    "a ring holds 86 % of a blob of the chosen class.";
  const figure = element("figure", { style: "flex-grow: 2" }, picture, element("figcaption", {}, told));
  const sliders = element(
    "fieldset",
    { style: "flex: 1 1 200px" },
    slider(model, "guidance_scale", "guidance", { min: 0, max: 8, step: 0.5 }, (w) => `w = ${w}`),
    slider(model, "step", "moment", { min: 0, max: CALLS }, (step) => step < CALLS ? `t = ${stops[step]}` : "clean"),
    said,
  );
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      choice(model, "label", "class", CLASSES, Number),
      seed(model, "seed"),
      player,
    ),
    element("div", { class: "pixel-sides" }, figure, sliders),
  );
  run();
  return () => {
    playing = false;
    stop();
  };
}

function drawField(pen, predictEps, t) {
  const places = [];
  for (let y = -REACH + CELL / 2; y < REACH; y += CELL) {
    for (let x = -REACH + CELL / 2; x < REACH; x += CELL) places.push(x, y);
  }
  const eps = predictEps(Float64Array.from(places), t), arrows = [];
  for (let i = 0; i < places.length; i += 2) arrows.push({ size: Math.hypot(eps[i], eps[i + 1]), i });
  const usual = arrows.reduce((sum, { size }) => sum + size, 0) / arrows.length;
  for (const { size, i } of arrows) { // the score is -eps/noise; lengths tell stronger from weaker, no more
    const long = -1.2 * CELL / (usual + size);
    pen.arrow(places[i], places[i + 1], long * eps[i], long * eps[i + 1], pen.faint, 0.6);
  }
}

export default { render };
