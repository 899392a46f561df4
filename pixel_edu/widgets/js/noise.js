// Forward noising: x_t = signal·x0 + noise·eps, at every timestep of each schedule.

import { curvePlot } from "./curves.js";
import { addNoise } from "./diffusion.js";
import { CLASSES, SIZE } from "./facts.js";
import { fromBytes, NUMBERS, paint, tilesOf, toBytes } from "./pixels.js";
import { spriteNoise } from "./random.js";
import { SCHEDULES } from "./schedules.js";
import { canvas, choice, element, onlyInPython, put, seed, slider, status, whenever } from "./ui.js";

const DASHES = { linear: [], cosine: [7, 4], sigmoid: [8, 3, 2, 3] };
const ABOUT = Object.entries(SCHEDULES).map(([name, make]) => {
  const schedule = make(), lambda = schedule.alphaBar.map((_, t) => schedule.level(t).halfLogSnr);
  return { name, schedule, lambda, color: `--${name}`, dash: DASHES[name] ?? [1, 3] };
});
const LAST = ABOUT[0].schedule.length - 1;

/** A number as prose writes it: two decimals, or more where it would be 0, and a true minus. */
export function told(value) {
  const plain = value !== 0 && Math.abs(value) < 0.01 ? value.toPrecision(1) : value.toFixed(2);
  return plain.replace("-", "−");
}

/** Which of the two is stronger, in words. */
export function stronger(lambda) {
  if (Math.abs(lambda) < 0.005) return "Signal and noise are equally strong.";
  const times = told(Math.exp(Math.abs(lambda)));
  return lambda > 0 ? `The signal is ${times} times the noise.` : `The noise is ${times} times the signal.`;
}

function term(large = false) {
  const picture = canvas(SIZE, SIZE, ""), caption = element("figcaption");
  const figure = element("figure", { class: large ? "pixel-large" : "pixel-small" }, picture, caption);
  const show = (bytes, words, below) => {
    paint(picture, bytes);
    picture.setAttribute("aria-label", words);
    caption.textContent = below;
  };
  return { figure, show };
}

async function render({ model, el }) {
  const tiles = await tilesOf(Uint8Array.from(atob(model.get("sheet")), (letter) => letter.charCodeAt(0)));
  const each = tiles.length / CLASSES.length;
  const names = tiles.map((_, i) => `${CLASSES[Math.floor(i / each)]} ${i % each + 1}`);
  const clean = term(), static_ = term(), mixed = term(true), said = status();
  const onpick = (t) => put(model, "t", t), x = { range: [0, LAST], ticks: [0, 250, 500, 750, LAST] };
  const left = curvePlot({
    title: "ᾱ = signal² at timestep t",
    x,
    y: { range: [0, 1], ticks: [0, 0.5, 1] },
    legend: true,
    onpick,
  });
  const ratio = curvePlot({
    title: "λ = log(signal / noise) at timestep t",
    x,
    y: { range: [-7, 7], ticks: [-6, -3, 0, 3, 6] },
    onpick,
  });

  const sum = element(
    "div",
    { class: "pixel-sum" },
    clean.figure,
    element("span", { "aria-hidden": "true" }, "+"),
    static_.figure,
    element("span", { "aria-hidden": "true" }, "="),
    mixed.figure,
  );
  const plots = element("div", { class: "pixel-plots" }, left.canvas, ratio.canvas);

  function draw() {
    const t = model.get("t"), number = model.get("seed"), name = names[model.get("sprite")];
    const schedule = model.get("schedule"), about = ABOUT.find((one) => one.name === schedule);
    for (const part of [sum, plots]) part.hidden = !about;
    if (!about) {
      said.textContent = onlyInPython("schedule", schedule, ABOUT.map(({ name }) => name));
      return;
    }
    const level = about.schedule.level(t), alphaBar = about.schedule.alphaBar[t], lambda = about.lambda[t];
    const x0 = fromBytes(tiles[model.get("sprite")]), eps = spriteNoise([number])(NUMBERS);
    const [signal, noise, share, log] = [level.signal, level.noise, alphaBar, lambda].map(told);
    clean.show(toBytes(x0), `x₀, the clean sprite: ${name}`, `x₀, times ${signal}`);
    static_.show(toBytes(eps), `ε, the noise of seed ${number}`, `ε, times ${noise}`);
    mixed.show(
      toBytes(addNoise(x0, eps, level)),
      `xₜ: ${name} at t = ${t}, ${signal} of the sprite and ${noise} of the noise`,
      `xₜ at t = ${t}`,
    );
    const curves = ABOUT.map((one) => ({ ...one, chosen: one.name === schedule }));
    const shown = (values) => curves.map((one) => ({ ...one, values: values(one) }));
    left.show(
      shown((one) => one.schedule.alphaBar),
      t,
      `ᾱ falls from 1 to 0 under each schedule; ${schedule} is at ${share} at t = ${t}`,
    );
    ratio.show(shown((one) => one.lambda), t, `λ falls under each schedule; ${schedule} is at ${log} at t = ${t}`);
    said.textContent = `Under ${schedule}, t = ${t}: signal ${signal}, noise ${noise}, ᾱ = ${share}, λ = ${log}. ` +
      stronger(lambda);
  }

  whenever(model, ["sprite", "schedule", "t", "seed"], draw);
  el.classList.add("pixel-panel");
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      choice(model, "sprite", "sprite", Object.fromEntries(names.entries()), Number),
      choice(model, "schedule", "schedule", Object.fromEntries(ABOUT.map(({ name }) => [name, name]))),
      seed(model, "seed"),
    ),
    slider(model, "t", "timestep", { min: 0, max: LAST }, (t) => `t = ${t}`),
    sum,
    said,
    plots,
  );
  draw();
  return () => {
    left.stop();
    ratio.stop();
  };
}

export default { render };
