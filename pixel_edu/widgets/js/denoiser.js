// The model draws: choose a class, and a sprite comes out of noise. Two settings can be compared on the same noise.

import { assetsOf } from "./assets.js";
import { CLASSES, SIZE, TITLES } from "./facts.js";
import { loadDenoiser, requireNetwork } from "./network.js";
import { snap } from "./palette.js";
import { download, NUMBERS, paint, toBytes, transparent } from "./pixels.js";
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

/** One of the two pictures, with the settings that it is drawn with; the second one's traits begin with `other_`. */
function side(model, prefix, letter) {
  const picture = canvas(SIZE, SIZE, "noise");
  const told = element("figcaption");
  const traits = SETTINGS.map((name) => prefix + name);
  const settings = () => Object.fromEntries(SETTINGS.map((name) => [name, model.get(prefix + name)]));
  const controls = element(
    "fieldset",
    {},
    element("legend", {}, `setting ${letter}`),
    choice(model, traits[0], "sampler", OFFERED),
    slider(model, traits[1], "steps", { min: 1, max: 100 }, (n) => n === 1 ? "1 call" : `${n} calls`),
    slider(model, traits[2], "guidance", { min: 0, max: 10, step: 0.5 }, (w) => `w = ${w}`),
  );
  const figure = element("figure", {}, picture, told, controls);
  const show = (bytes, words, caption) => {
    paint(picture, bytes);
    picture.setAttribute("aria-label", words);
    told.textContent = caption;
  };
  return { figure, picture, traits, settings, show };
}

async function render({ model, el }) {
  const asset = assetsOf(model), sides = [side(model, "", "A"), side(model, "other_", "B")];
  await requireNetwork(asset).catch((error) => {
    el.append(element("p", { class: "pixel-status", role: "status" }, `The model cannot run here: ${error.message}.`));
    throw error; // a page then keeps its picture
  });
  const said = status(), bar = element("progress", { max: 1, ".hidden": true, "aria-label": "loading the model" });
  const name = () => CLASSES[model.get("label")].replace("_", " ");
  const shown = () => model.get("compare") ? sides : sides.slice(0, 1);
  let denoiser = null, running = new AbortController();

  async function draw() {
    running.abort();
    const { signal } = running = new AbortController();
    if (refused()) return;
    try {
      denoiser ??= await loaded();
      for (const each of shown()) if (!signal.aborted) await drawOne(each, signal);
    } catch (error) {
      said.textContent = `The model cannot run here: ${error.message}.`;
    }
  }

  function refused() {
    const name = shown().map(({ settings }) => settings().sampler).find((name) => !(name in SAMPLERS));
    if (name) said.textContent = onlyInPython("sampler", name, Object.values(OFFERED));
    return Boolean(name);
  }

  async function loaded() {
    bar.hidden = false;
    said.textContent = "Loading the model, once: about 7 MB.";
    const found = await loadDenoiser(asset, (share) => bar.value = share).finally(() => bar.hidden = true);
    said.textContent = "";
    return found;
  }

  async function drawOne({ settings, show }, signal) {
    const chosen = settings(), began = performance.now();
    let step;
    for await (step of stream(denoiser, [model.get("label")], [model.get("seed")], chosen)) {
      if (signal.aborted) return;
      if (calm() || step.t < 0) continue;
      show(toBytes(step.x), `${name()}, coming out of noise`, `call ${step.call} of ${chosen.num_steps}`);
      await painted();
    }
    const seconds = ((performance.now() - began) / 1000).toFixed(2);
    const bytes = toBytes(step.x), drawn = model.get("snap") ? snap(bytes, denoiser.palette) : bytes;
    show(drawn, `a drawn sprite of the class ${name()}`, `${chosen.num_steps} calls, ${seconds} s`);
    el.dataset.drawn = Number(el.dataset.drawn ?? 0) + 1;
    said.textContent = `Drawn: ${name()}, seed ${model.get("seed")}.`;
  }

  function begin() { // what a sprite starts from needs no model
    const bytes = toBytes(spriteNoise([model.get("seed")])(NUMBERS));
    for (const { show } of sides) show(bytes, `the noise of seed ${model.get("seed")}`, "noise");
    if (!refused()) said.textContent = "";
  }

  follow(model, "compare", (on) => {
    sides[1].figure.hidden = !on;
    el.classList.toggle("pixel-compares", on);
  });
  whenever(
    model,
    ["label", "seed", "compare", "snap", ...sides.flatMap(({ traits }) => traits)],
    () => denoiser ? draw() : begin(),
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
      choice(
        model,
        "label",
        "class",
        Object.fromEntries(CLASSES.map((name, i) => [i, name.replace("_", " ")])),
        Number,
      ),
      seed(model, "seed"),
      button("Draw", draw, { class: "pixel-main" }),
      button("Save as PNG", () => save((picture) => picture)),
      button("Save transparent", () => save(transparent)),
      checkbox(model, "snap", "true colours"),
      checkbox(model, "compare", "compare two settings"),
    ),
    bar,
    element("div", { class: "pixel-sides" }, ...sides.map(({ figure }) => figure)),
    said,
  );
  begin();
  return () => running.abort();
}

export default { render };
