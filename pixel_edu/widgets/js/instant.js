// The distilled network draws in one call, so a sprite follows a slider that leads from one seed's noise to another's.

import { assetsOf } from "./assets.js";
import { SIZE } from "./facts.js";
import { guided } from "./guidance.js";
import { cannotRun, LABELS, labelsOf, loading, requireNetworkIn } from "./networked.js";
import { snap } from "./palette.js";
import { download, NUMBERS, paint, tilesOf, toBytes } from "./pixels.js";
import { spriteNoise } from "./random.js";
import { ddimSteps } from "./samplers.js";
import { button, canvas, checkbox, choice, element, painted, put, seed, slider, status, whenever } from "./ui.js";

const FINE = 200, EACH = SIZE + 1;
/** The shares of the way whose sprites stand in the strip. */
const STOPS = Array.from({ length: 9 }, (_, i) => i / 8);
const SETTINGS = ["label", "seed", "other_seed", "snap"];

/** Noise on the way from a to b, a quarter of a circle: as `between` of pixel_edu/samplers.py, and as normal as both. */
export function between(a, b, share) {
  const angle = share * Math.PI / 2, [towards, away] = [Math.sin(angle), Math.cos(angle)];
  return a.map((value, i) => away * value + towards * b[i]);
}

/** Sprites of these labels at these shares of the way from one seed's noise to another's, a class after another. */
export async function drawn(denoiser, labels, [seed, otherSeed], shares) {
  const [a, b] = [seed, otherSeed].map((each) => spriteNoise([each])(NUMBERS));
  const x = new Float64Array(labels.length * shares.length * NUMBERS);
  labels.forEach((_, row) =>
    shares.forEach((share, column) => x.set(between(a, b, share), (row * shares.length + column) * NUMBERS))
  );
  const { model, schedule, nullLabel, calls } = denoiser;
  const predictEps = guided(model, labels.flatMap((label) => shares.map(() => label)), 1, nullLabel);
  let step;
  for await (step of ddimSteps(predictEps, schedule, x, calls));
  return Array.from({ length: labels.length * shares.length }, (_, place) => toBytes(step.x, place));
}

/** A function that does some work; called while that goes on, it does it once more afterwards, however often. */
export function latest(work) {
  let running = false, again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    try {
      while (again) {
        again = false;
        await work();
      }
    } finally {
      running = false;
    }
  };
}

/** Paint sprites on a canvas, row after row, a pixel apart; null leaves it blank. */
function paintGrid(picture, columns, rows, sprites) {
  [picture.width, picture.height] = [columns * EACH - 1, rows * EACH - 1];
  sprites?.forEach((bytes, i) => paint(picture, bytes, i % columns * EACH, Math.floor(i / columns) * EACH));
}

const bytesOf = (code) => Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));
const percent = (share) => `${(100 * share).toFixed(1)} %`;

async function render({ model, el }) {
  const asset = assetsOf(model);
  await requireNetworkIn(el, asset);
  const said = status(), { bar, load } = loading(asset, said, "instant");
  const noise = canvas(SIZE, SIZE, "noise"), under = element("figcaption");
  const picture = canvas(SIZE, SIZE, "nothing yet"), told = element("figcaption");
  const strip = canvas(STOPS.length * EACH - 1, SIZE, "nothing yet"), mark = element("div", { class: "pixel-mark" });
  const name = () => LABELS[model.get("label")];
  const labels = () => labelsOf(model);
  const seeds = () => [model.get("seed"), model.get("other_seed")];
  const settings = () => SETTINGS.map((trait) => model.get(trait)).join();
  let denoiser = null, drawnStrip = "";

  const draw = latest(async () => {
    try {
      denoiser ??= await load();
      await drawHere();
      if (drawnStrip !== settings()) await drawStrip();
      el.dataset.drawn = Number(el.dataset.drawn ?? 0) + 1;
    } catch (error) {
      said.textContent = cannotRun(error);
    }
    await painted(); // and the slider moves, before the next call
  });

  async function drawHere() {
    const began = performance.now(), sprites = await drawn(denoiser, labels(), seeds(), [model.get("share")]);
    const words = `${sprites.length > 1 ? "five sprites in " : ""}one call: ${Math.ceil(performance.now() - began)} ms`;
    show(sprites.map(finished), words);
  }

  async function drawStrip() {
    const before = settings(), sprites = await drawn(denoiser, labels(), seeds(), STOPS);
    showStrip(sprites.map(finished));
    drawnStrip = before;
    said.textContent = `Drawn: ${name()}, from seed ${seeds().join(" to ")}.`;
  }

  function finished(bytes) {
    return model.get("snap") ? snap(bytes, denoiser.palette) : bytes;
  }

  function show(sprites, words) {
    paintGrid(picture, labels().length, 1, sprites);
    const many = labels().length > 1 ? "drawn sprites of all classes" : `a drawn sprite of the class ${name()}`;
    picture.setAttribute("aria-label", sprites ? many : "nothing yet");
    told.textContent = words;
  }

  function showStrip(sprites) {
    paintGrid(strip, STOPS.length, labels().length, sprites);
    const words = `${name()} at ${STOPS.length} places on the way from seed ${seeds().join(" to seed ")}`;
    strip.setAttribute("aria-label", sprites ? words : "nothing yet");
  }

  function move() { // the noise needs no network
    const share = model.get("share"), [a, b] = seeds().map((each) => spriteNoise([each])(NUMBERS));
    paint(noise, toBytes(between(a, b, share)));
    under.textContent = `noise at ${percent(share)}`;
    noise.setAttribute("aria-label", `the noise ${percent(share)} of the way from seed ${seeds().join(" to seed ")}`);
    mark.style.left = `${100 * share * (STOPS.length - 1) * EACH / (STOPS.length * EACH - 1)}%`;
    if (denoiser) draw();
    else if (settings() === asFirst) show(firstAt(share), "stored; press Draw");
  }

  /** What is known of the first settings: the sprites of the stop that is nearest. */
  function firstAt(share) {
    const column = Math.round(share * (STOPS.length - 1));
    return first.filter((_, i) => i % STOPS.length === column);
  }

  function begin() {
    el.classList.toggle("pixel-wide", labels().length > 1);
    if (!denoiser) {
      show(null, "press Draw");
      showStrip(settings() === asFirst ? first : null);
    }
    move();
  }

  /** A place on the strip is a place of the slider. */
  function point(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const { left, width } = strip.getBoundingClientRect(), sprite = width / STOPS.length;
    const share = (event.clientX - left - sprite / 2) / (width - sprite);
    put(model, "share", Math.round(FINE * Math.min(Math.max(share, 0), 1)) / FINE);
  }

  const asFirst = settings(), first = await tilesOf(bytesOf(model.get("first")));
  whenever(model, SETTINGS, begin);
  whenever(model, ["share"], move);
  const file = () => `${name().replace(" ", "-")}-${seeds().join("-")}-${model.get("share")}.png`;
  el.classList.add("pixel-panel", "pixel-instant");
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      choice(model, "label", "class", LABELS, Number),
      seed(model, "seed", "seed A"),
      seed(model, "other_seed", "seed B"),
      button("Draw", draw, { class: "pixel-main" }),
      button("Save as PNG", () => download(picture, file(), 16)),
      checkbox(model, "snap", "true colours"),
    ),
    bar,
    element(
      "div",
      { class: "pixel-sum" },
      element("figure", { class: "pixel-small" }, noise, under),
      element("span", { "aria-hidden": "true" }, "→"),
      element("figure", { class: "pixel-large" }, picture, told),
    ),
    slider(model, "share", "from A to B", { min: 0, max: 1, step: 1 / FINE }, percent),
    element("div", { class: "pixel-strip", onpointerdown: point, onpointermove: point }, strip, mark),
    said,
  );
  begin();
}

export default { render };
