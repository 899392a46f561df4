// A bench for sprites: spoil one, paint on it, and restore its true colours.

import { colorsOf, shareEqual, toHex } from "./colors.js";
import { frame } from "./cursor.js";
import { addNoise } from "./diffusion.js";
import { CLASSES, SIZE } from "./facts.js";
import { fromWords, snap } from "./palette.js";
import { download, fromBytes, NUMBERS, paint, tilesOf, toBytes } from "./pixels.js";
import { spriteNoise } from "./random.js";
import { button, canvas, choice, element, follow, seed, slider, status, whenever } from "./ui.js";

const WAYS = { none: "leave it alone", nearest: "nearest colours", snap: "snap" };

/** A sprite with noise on it, as a model leaves some: bytes to bytes; eps is standard normal. */
export function spoiled(bytes, eps, amount) {
  return toBytes(addNoise(fromBytes(bytes), eps, { signal: 1, noise: amount }));
}

/** The ways to go on from there, by their names in the widget's trait. */
export function restored(bytes, palette, how, tolerance, loneliness) {
  if (how === "none") return bytes;
  return how === "nearest" ? snap(bytes, palette, 0, 0) : snap(bytes, palette, tolerance, loneliness);
}

/** How many colours, in words. */
export function counted(count) {
  return count === 1 ? "1 colour" : `${count} colours`;
}

/** A sprite, and below it its colours from dark to light, and what they are. */
function view(size) {
  const picture = canvas(SIZE, SIZE, ""), swatches = canvas(1, 1, ""), caption = element("figcaption");
  swatches.className = "pixel-swatches";
  const stage = element("div", { class: "pixel-stage" }, picture);
  const figure = element("figure", { class: size }, stage, swatches, caption);
  const show = (bytes, words, below) => {
    const colors = colorsOf(bytes), context = swatches.getContext("2d");
    paint(picture, bytes);
    picture.setAttribute("aria-label", `${words}, ${counted(colors.length)}`);
    swatches.width = colors.length;
    colors.forEach((color, i) => {
      context.fillStyle = toHex(color);
      context.fillRect(i, 0, 1, 1);
    });
    const named = colors.length > 20 ? "" : `: ${colors.map(toHex).join(", ")}`;
    swatches.setAttribute("aria-label", `its ${counted(colors.length)}, from dark to light${named}`);
    caption.textContent = `${below}: ${counted(colors.length)}`;
  };
  return { figure, picture, stage, show };
}

/** Let a stage be painted on, with a mouse, a finger, or the arrow keys and the space bar; tells the pixel's number. */
function paintable(stage, said, colorAt, onpaint) {
  const { place, point, step } = frame(stage), here = () => place.x + SIZE * place.y;
  const pointed = (event) => {
    point(event);
    onpaint(here());
  };
  stage.addEventListener("click", pointed);
  stage.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && event.buttons & 1) pointed(event);
  });
  stage.addEventListener("keydown", (event) => {
    if (event.key === " " || event.key === "Enter") onpaint(here());
    else if (step(event)) said.textContent = `Column ${place.x + 1}, row ${place.y + 1}: ${colorAt(here())}.`;
    else return;
    event.preventDefault();
  });
  const about = {
    tabindex: 0,
    role: "application",
    "aria-label": "Paint on the spoiled sprite: arrow keys move, the space bar paints.",
    "data-lm-suppress-shortcuts": "true", // in JupyterLab these keys would choose another cell
  };
  for (const [name, value] of Object.entries(about)) stage.setAttribute(name, value);
  stage.classList.add("pixel-paintable");
}

async function render({ model, el }) {
  const tiles = await tilesOf(Uint8Array.from(atob(model.get("sheet")), (letter) => letter.charCodeAt(0)));
  const each = tiles.length / CLASSES.length, palette = fromWords(model.get("palette"));
  const [truth, before, after] = ["pixel-small", "pixel-large", "pixel-large"].map(view), said = status();
  const brush = element("input", { type: "color", value: "#d83a3a" });
  const name = () => `${CLASSES[model.get("label")]} ${model.get("number") + 1}`;
  let painted = new Map(), bytes;

  function draw() {
    const { label, number, amount, how, tolerance, loneliness } = Object.fromEntries(
      ["label", "number", "amount", "how", "tolerance", "loneliness"].map((trait) => [trait, model.get(trait)]),
    );
    const true_ = tiles[label * each + number];
    bytes = spoiled(true_, spriteNoise([model.get("seed")])(NUMBERS), amount);
    for (const [place, color] of painted) bytes.set(color, 4 * place);
    const result = restored(bytes, palette, how, tolerance, loneliness),
      right = Math.round(100 * shareEqual(result, true_));
    truth.show(true_, `the true sprite, ${name()}`, "true");
    before.show(bytes, `the spoiled sprite, ${name()}`, "before");
    after.show(result, `the sprite after “${WAYS[how]}”`, "after");
    said.textContent = `Before, ${counted(colorsOf(bytes).length)}; after, ${colorsOf(result).length}; ` +
      `the true sprite has ${colorsOf(true_).length}. After, ${right} % of the pixels are true.`;
  }

  const clear = button("Undo painting", forget, { disabled: true });
  function forget() {
    painted = new Map();
    clear.disabled = true;
    draw();
  }
  paintable(before.stage, said, (place) => toHex(bytes.subarray(4 * place, 4 * place + 3)), (place) => {
    painted.set(place, [1, 3, 5].map((i) => parseInt(brush.value.slice(i, i + 2), 16)));
    clear.disabled = false;
    draw();
  });
  whenever(model, ["label", "number"], forget); // what was painted on another sprite means nothing here
  whenever(model, ["amount", "seed", "how", "tolerance", "loneliness"], draw);

  const dials = element(
    "fieldset",
    {},
    slider(model, "tolerance", "tolerance", { min: 0, max: 0.3, step: 0.01 }, (value) => value.toFixed(2)),
    slider(model, "loneliness", "loneliness", { min: 0, max: 0.15, step: 0.005 }, (value) => value.toFixed(3)),
  );
  follow(model, "how", (how) => dials.disabled = how !== "snap");
  const numbers = Object.fromEntries(Array.from({ length: each }, (_, i) => [i, String(i + 1)]));
  el.classList.add("pixel-panel", "pixel-bench");
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      choice(model, "label", "class", Object.fromEntries(CLASSES.entries()), Number),
      choice(model, "number", "sprite", numbers, Number),
      seed(model, "seed"),
    ),
    slider(model, "amount", "spoil", { min: 0, max: 0.2, step: 0.01 }, (value) => `${value.toFixed(2)} · ε`),
    choice(model, "how", "restore", WAYS),
    dials,
    element("div", { class: "pixel-sum" }, truth.figure, before.figure, after.figure),
    said,
    element(
      "div",
      { class: "pixel-row" },
      element("label", { class: "pixel-control" }, element("span", {}, "paint on “before” with"), brush),
      clear,
      button("Save as PNG", () => download(after.picture, `${name().replace(" ", "-")}.png`, 16)),
    ),
  );
  draw();
}

export default { render };
