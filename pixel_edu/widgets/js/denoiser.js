// The model draws: choose a class, and a sprite comes out of noise, call by call. Two settings can be compared.

import { assetsOf } from "./assets.js";
import { SIZE, TITLES } from "./facts.js";
import { cannotRun, LABELS, labelsOf, loading, requireNetworkIn } from "./networked.js";
import { snap } from "./palette.js";
import { download, NUMBERS, paint, tilesOf, toBytes, transparent } from "./pixels.js";
import { spriteNoise } from "./random.js";
import { SAMPLERS } from "./samplers.js";
import { stream } from "./sampling.js";
import {
  button,
  calm,
  canvas,
  checkbox,
  choice,
  element,
  follow,
  onlyInPython,
  painted,
  seed,
  slider,
  status,
  whenever,
} from "./ui.js";

/** The samplers that are written in JavaScript too. */
const OFFERED = Object.fromEntries(Object.entries(TITLES).filter(([name]) => name in SAMPLERS));
const SETTINGS = ["sampler", "num_steps", "guidance_scale"];

/**
 * One of the two settings: what each call gets and what it guesses, and the controls; the second one's traits begin
 * with `other_`. `frames` has one entry a call, { x, x0, t }, and after the last the sprites, { x, t: -1, sprites }.
 */
function side(model, prefix, letter) {
  const got = canvas(SIZE, SIZE, "noise"), guessed = canvas(SIZE, SIZE, "nothing yet");
  const under = element("figcaption"), told = element("figcaption");
  const traits = SETTINGS.map((name) => prefix + name);
  const settings = () => Object.fromEntries(SETTINGS.map((name) => [name, model.get(prefix + name)]));
  const pair = element(
    "div",
    { class: "pixel-pair" },
    element("figure", {}, got, under),
    element("figure", {}, guessed, told),
  );
  const controls = element(
    "fieldset",
    {},
    element("legend", {}, `setting ${letter}`),
    choice(model, traits[0], "sampler", OFFERED),
    slider(model, traits[1], "steps", { min: 1, max: 100 }, (n) => n === 1 ? "1 call" : `${n} calls`),
    slider(model, traits[2], "guidance", { min: 0, max: 10, step: 0.5 }, (w) => `w = ${w}`),
  );
  const show = (left, leftWords, right, rightWords, label = rightWords || "nothing yet") => {
    paintRow(got, left);
    paintRow(guessed, right);
    [under.textContent, told.textContent] = [leftWords, rightWords];
    got.setAttribute("aria-label", leftWords);
    guessed.setAttribute("aria-label", label);
  };
  return { figure: element("figure", {}, pair, controls), picture: guessed, traits, settings, show, frames: [] };
}

/** Paint sprites side by side, a pixel apart; the canvas is as wide as they are. None make it blank. */
function paintRow(picture, sprites) {
  picture.width = Math.max(sprites.length, 1) * (SIZE + 1) - 1;
  sprites.forEach((bytes, i) => paint(picture, bytes, i * (SIZE + 1)));
}

/** The images of a batch as bytes. */
function each(x) {
  return Array.from({ length: x.length / NUMBERS }, (_, place) => toBytes(x, place));
}

/** A test whether all these traits still have the values that they have now. */
function unchanged(model, traits) {
  const before = traits.map((name) => model.get(name));
  return () => traits.every((name, i) => model.get(name) === before[i]);
}

/** The bytes of a base64 word. */
function fromBase64(code) {
  return Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
}

async function render({ model, el }) {
  const asset = assetsOf(model), sides = [side(model, "", "A"), side(model, "other_", "B")];
  await requireNetworkIn(el, asset);
  const said = status(), { bar, load } = loading(asset, said);
  const name = () => LABELS[model.get("label")];
  const labels = () => labelsOf(model);
  const seeds = () => labels().map(() => model.get("seed"));
  const shown = () => model.get("compare") ? sides : sides.slice(0, 1);
  let denoiser = null, running = new AbortController();

  async function draw() {
    running.abort();
    const { signal } = running = new AbortController();
    if (refused()) return;
    forget();
    try {
      denoiser ??= await load();
      for (const one of shown()) if (!signal.aborted) await drawOne(one, signal);
    } catch (error) {
      said.textContent = cannotRun(error);
    }
  }

  function refused() {
    const name = shown().map(({ settings }) => settings().sampler).find((name) => !(name in SAMPLERS));
    if (name) said.textContent = onlyInPython("sampler", name, Object.values(OFFERED));
    return Boolean(name);
  }

  async function drawOne({ settings, show, frames }, signal) {
    const chosen = settings(), began = performance.now(), stops = denoiser.schedule.timesteps(chosen.num_steps);
    let x = spriteNoise(seeds())(NUMBERS * labels().length);
    for await (const step of stream(denoiser, labels(), seeds(), chosen)) {
      if (signal.aborted) return;
      frames.push({ x, x0: step.x0, t: stops[step.call - 1], call: step.call, calls: chosen.num_steps });
      x = step.x;
      if (calm()) continue;
      showFrame(show, frames.at(-1));
      await painted();
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    const sprites = each(x).map((bytes) => model.get("snap") ? snap(bytes, denoiser.palette) : bytes);
    frames.push({ ...frames.at(-1), sprites, told: `the end: ${chosen.num_steps} calls, ${seconds} s` });
    showFrame(show, frames.at(-1));
    calls.max = Math.max(...shown().map((one) => one.frames.length - 1));
    [calls.value, calls.disabled] = [calls.max, false]; // the value after the greatest that it may have
    tell();
    el.dataset.drawn = Number(el.dataset.drawn ?? 0) + 1;
    said.textContent = `Drawn: ${name()}, seed ${model.get("seed")}.`;
  }

  function showFrame(show, { x, x0, t, call, calls, sprites, told }) {
    const noisy = `${name()} in noise, t = ${t}`;
    if (!sprites) return show(each(x), noisy, each(x0), `the guess of call ${call} of ${calls}`);
    const label = sprites.length > 1 ? "drawn sprites of all classes" : `a drawn sprite of the class ${name()}`;
    show(each(x), noisy, sprites, told, label);
  }

  function look() { // back at a call: the same share of the way for both settings
    const share = calls.value / calls.max;
    for (const { show, frames } of shown()) {
      if (frames.length) showFrame(show, frames[Math.round(share * (frames.length - 1))]);
    }
    tell();
  }

  function tell() {
    calls.setAttribute("aria-valuetext", calls.value === calls.max ? "the end" : `call ${Number(calls.value) + 1}`);
  }

  function forget() {
    for (const one of sides) one.frames.length = 0;
    [calls.max, calls.value, calls.disabled] = [1, 1, true];
  }

  function begin() { // what a sprite starts from needs no model, and what comes of the first settings is known
    forget();
    el.classList.toggle("pixel-wide", labels().length > 1);
    const noise = each(spriteNoise(seeds())(NUMBERS * labels().length));
    const still = asFirst() ? first : [];
    sides.forEach(({ show }, i) => {
      show(noise, `the noise of seed ${model.get("seed")}`, still[i] ?? [], still[i] ? "what will come of it" : "");
    });
    if (!refused()) said.textContent = "";
  }

  const calls = element("input", { type: "range", min: 0, max: 1, value: 1, step: 1, disabled: true, oninput: look });
  const scrubber = element("label", { class: "pixel-control" }, element("span", {}, "look back"), calls);
  const asFirst = unchanged(model, ["label", "seed", "snap", ...sides.flatMap(({ traits }) => traits)]);
  const first = await Promise.all(model.get("first").map((code) => tilesOf(fromBase64(code))));
  follow(model, "compare", (on) => {
    sides[1].figure.hidden = !on;
    el.classList.toggle("pixel-compares", on);
  });
  whenever(
    model,
    ["label", "seed", "compare", "snap", ...sides.flatMap(({ traits }) => traits)],
    () => {
      begin();
      if (denoiser) draw();
    },
  );

  const save = (form) =>
    shown().forEach(({ picture }, i) =>
      download(form(picture), `${name()}-${model.get("seed")}${i ? "-b" : ""}.png`, 16)
    );
  el.classList.add("pixel-panel");
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      choice(model, "label", "class", LABELS, Number),
      seed(model, "seed"),
      button("Draw", draw, { class: "pixel-main" }),
      button("Save as PNG", () => save((picture) => picture)),
      button("Save transparent", () => save(transparent)),
      checkbox(model, "snap", "true colours"),
      checkbox(model, "compare", "compare two settings"),
    ),
    bar,
    element("div", { class: "pixel-sides" }, ...sides.map(({ figure }) => figure)),
    scrubber,
    said,
  );
  begin();
  return () => running.abort();
}

export default { render };
