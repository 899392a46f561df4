// The network at work: the U lights up block by block with the maps that each makes, and shows where the bottom looks.

import { CLASSES, SIZE } from "./facts.js";
import { paint } from "./pixels.js";
import { button, calm, canvas, choice, element, put, slider, status, whenever } from "./ui.js";

const SVG = "http://www.w3.org/2000/svg", GRID = 4, PAUSE = 1100, DARK = 0.12;
const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const SCALE = (most) =>
  `Blue is below 0, orange above, each map on its own scale; ` +
  `where there are more than ${most} channels, the ${most} that differ most from place to place.`;

const unpacked = (code) => Uint8Array.from(atob(code), (letter) => letter.charCodeAt(0));

/** Bytes of red, green, blue as those of a canvas, opaque. */
export function opaque(rgb) {
  const bytes = new Uint8ClampedArray(rgb.length / 3 * 4).fill(255);
  for (let i = 0; i < rgb.length; i++) bytes[Math.floor(i / 3) * 4 + i % 3] = rgb[i];
  return bytes;
}

/** A map's values, of which 128 is 0, as the bytes of a canvas: white at 0, and two colours, one on each side. */
export function colored(values, [below, above]) {
  const ends = [below, above].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const rgb = new Uint8ClampedArray(3 * values.length);
  values.forEach((value, i) => {
    const far = (value - 128) / 127, end = ends[far < 0 ? 0 : 1];
    for (let c = 0; c < 3; c++) rgb[3 * i + c] = 255 + Math.abs(far) * (end[c] - 255);
  });
  return opaque(rgb);
}

/** An image of which each place, a square of pixels, is as bright as its share of the largest of the shares. */
export function lit(bytes, shares) {
  const most = Math.max(...shares), side = SIZE / GRID;
  return bytes.map((byte, i) => {
    const pixel = Math.floor(i / 4), row = Math.floor(pixel / SIZE / side), column = Math.floor(pixel % SIZE / side);
    return i % 4 === 3 ? byte : byte * (DARK + (1 - DARK) * shares[GRID * row + column] / most);
  });
}

/** What is stored of one sprite at one timestep: its maps at every stop, its pictures, and who looks where. */
export function sceneOf(plan, bytes, sprite, level) {
  const { stops, timesteps, labels, heads } = plan, scenes = labels.length * timesteps.length;
  const number = sprite * timesteps.length + level, image = 3 * SIZE * SIZE;
  const areas = stops.map(({ size }) => size * size);
  const each = stops.reduce((sum, { channels }, i) => sum + channels.length * areas[i], 0);
  let at = number * each;
  const maps = stops.map(({ channels }, i) => channels.map(() => bytes.maps.subarray(at, at += areas[i])));
  const pictures = [number, scenes + number, 2 * scenes + sprite];
  const [noisy, guess, truth] = pictures.map((k) => opaque(bytes.pictures.subarray(k * image, (k + 1) * image)));
  const width = GRID * GRID + 1, place = (head, asking) => ((number * heads + head) * GRID * GRID + asking) * width;
  const look = (head, asking) => [...bytes.looks.subarray(place(head, asking), place(head, asking) + width)];
  return { maps, noisy, guess, truth, look };
}

const named = (place) => `row ${Math.floor(place / GRID) + 1}, column ${place % GRID + 1}`;

/** The weights of a head, in percent, for those who do not see them: of the places row by row, and of the label. */
export function inWords(shares) {
  const rows = Array.from({ length: GRID }, (_, row) => shares.slice(GRID * row, GRID * (row + 1)).join(" "));
  return `in percent, ${rows.map((row, i) => `row ${i + 1}: ${row}`).join(", ")}; the label: ${shares.at(-1)}`;
}

/** The lines of the U, over its boxes; `light` marks those that enter a stop, and those that the signal has passed. */
function linesOf(plan, at) {
  const tip = `pixel-tip-${Math.random().toString(36).slice(2)}`;
  const svg = (tag, settings, ...children) => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(settings)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  const head = { id: tip, viewBox: "0 0 8 8", refX: 8, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" };
  const size = { markerUnits: "userSpaceOnUse" };
  const marker = svg("marker", { ...head, ...size }, svg("path", { d: "M0 1 8 4 0 7z", fill: "currentColor" }));
  const lines = plan.lines.map(([kind, x1, y1, x2, y2, into]) => {
    const [from, to] = [at(x1, y1), at(x2, y2)];
    const ends = { x1: `${from[0]}%`, y1: `${from[1]}%`, x2: `${to[0]}%`, y2: `${to[1]}%` };
    const line = svg("line", { ...ends, class: `pixel-${kind}` });
    if (kind !== "context") line.setAttribute("marker-end", `url(#${tip})`);
    return { line, into, kind };
  });
  const drawn = [...lines.filter(({ kind }) => kind === "context"), ...lines.filter(({ kind }) => kind !== "context")];
  const picture = svg(
    "svg",
    { "aria-hidden": "true" },
    svg("defs", {}, marker),
    ...drawn.map(({ line }) => line),
  );
  const light = (step) => lines.forEach(({ line, into }) => line.classList.toggle("pixel-lit", into === step));
  return { picture, light };
}

function render({ model, el }) {
  const plan = model.get("plan"), { stops, labels, timesteps } = plan, last = stops.length - 1;
  const bytes = Object.fromEntries(["maps", "pictures", "looks"].map((name) => [name, unpacked(model.get(name))]));
  const [[left, right], [low, high]] = plan.corners, [width, height] = plan.box;
  const at = (x, y) => [100 * (x - left) / (right - left), 100 * (high - y) / (high - low)];
  const shape = ({ of, size }) => `${of} × ${size} × ${size}`;
  const most = Math.max(...stops.map(({ channels }) => channels.length));
  let scene, playing = null;

  const boxes = stops.map((stop, i) => {
    const thumb = canvas(stop.size, stop.size, `${stop.title}, in small`);
    const words = { 0: ["noisy"], [last]: ["guess"] }[i] ?? [stop.of, `${stop.size}×${stop.size}`];
    const [x, y] = at(stop.place[0] - width / 2, stop.place[1] + height / 2);
    const box = button(thumb, () => go(i), {
      class: `pixel-box${stop.attends ? " pixel-attends" : ""}`,
      style: `left: ${x}%; top: ${y}%; width: ${100 * width / (right - left)}%; height: ${
        100 * height / (high - low)
      }%`,
      "aria-label": `${stop.title}: ${shape(stop)}${stop.attends ? ", with attention" : ""}`,
    });
    box.append(element("span", {}, ...words.map((word) => element("span", {}, String(word)))));
    return { box, thumb };
  });
  const { picture, light } = linesOf(plan, at), context = element("span", { class: "pixel-context" });
  const [middle, top] = at(...plan.context);
  Object.assign(context.style, { left: `${middle}%`, top: `${top}%` });
  const stage = element(
    "div",
    { class: "pixel-u", role: "group", "aria-label": "the network" },
    context,
    ...boxes.map(({ box }) => box),
    picture,
  );

  const title = element("p", { class: "pixel-question" }),
    size = element("p", { class: "pixel-hint" }),
    said = status();
  const tiles = Array.from({ length: most }, () => {
    const shown = canvas(1, 1, "no map"), caption = element("figcaption");
    return { figure: element("figure", {}, shown, caption), shown, caption };
  });

  function fill(tile, size, pixels, name, words) {
    const { figure, shown, caption } = tile;
    figure.style.visibility = pixels ? "" : "hidden"; // its room stays: nothing jumps
    [shown.width, shown.height] = [size, size];
    if (!pixels) return;
    shown.getContext("2d").putImageData(new ImageData(pixels, size, size), 0, 0);
    shown.setAttribute("aria-label", words);
    caption.textContent = name;
  }

  function showMaps() {
    const step = model.get("step"), stop = stops[step], maps = scene.maps[step], colors = ["red", "green", "blue"];
    const ends = { 0: [["noisy", scene.noisy]], [last]: [["guess", scene.guess], ["true", scene.truth]] }[step] ?? [];
    const views = maps.map((values, i) => {
      const name = ends.length ? colors[i] : String(stop.channels[i]);
      return [name, colored(values, plan.colors), `map of channel ${name}`];
    });
    const images = ends.map(([name, pixels]) => [name, pixels, `the ${name} sprite`]);
    const shown = step === last ? [...views, ...images] : [...images, ...views];
    tiles.forEach((tile, i) => {
      const [name, pixels, words] = shown[i] ?? [];
      fill(tile, images.some((each) => each === shown[i]) ? SIZE : stop.size, pixels, name, words);
    });
    title.textContent = stop.title;
    size.textContent = `${shape(stop)}: channels × height × width`;
  }

  function showStep() {
    const step = model.get("step");
    boxes.forEach(({ box, thumb }, i) => {
      const reached = i <= step;
      box.classList.toggle("pixel-reached", reached);
      if (i === step) box.setAttribute("aria-current", "step");
      else box.removeAttribute("aria-current");
      const ends = { 0: scene.noisy, [last]: scene.guess }[i], size = stops[i].size;
      thumb.width = size; // clears it
      const pixels = ends ?? colored(scene.maps[i][0], plan.colors);
      if (reached) thumb.getContext("2d").putImageData(new ImageData(pixels, size, size), 0, 0);
    });
    light(step);
    showMaps();
    said.textContent = stops[step].words;
    [back.disabled, next.disabled] = [step === 0, step === last];
  }

  const asked = canvas(SIZE, SIZE, "its sixteen places");
  const places = Array.from(
    { length: GRID * GRID },
    (_, i) => button("", () => put(model, "place", i), { class: "pixel-place", role: "radio", "aria-label": named(i) }),
  );
  const board = element(
    "div",
    {
      class: "pixel-stage",
      role: "radiogroup",
      "aria-label": "the place that asks",
      "data-lm-suppress-shortcuts": "true",
    },
    asked,
    element("div", { class: "pixel-places", role: "presentation" }, ...places),
  );
  board.addEventListener("keydown", (event) => {
    if (!(event.key in ARROWS) || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    const [down, across] = ARROWS[event.key], place = model.get("place");
    const [row, column] = [Math.floor(place / GRID) + down, place % GRID + across];
    event.preventDefault();
    if (Math.min(row, column) < 0 || Math.max(row, column) >= GRID) return;
    put(model, "place", GRID * row + column);
    places[GRID * row + column].focus();
  });
  const heads = Array.from({ length: plan.heads }, (_, i) => {
    const shown = canvas(SIZE, SIZE, ""), caption = element("figcaption");
    return { figure: element("figure", {}, shown, caption), shown, caption, name: `head ${i + 1}` };
  });

  function showLooks() {
    const place = model.get("place");
    paint(asked, scene.noisy);
    places.forEach((each, i) => {
      each.setAttribute("aria-checked", String(i === place));
      each.tabIndex = i === place ? 0 : -1;
    });
    heads.forEach(({ shown, caption, name }, i) => {
      const shares = scene.look(i, place), places = shares.slice(0, -1);
      paint(shown, lit(scene.noisy, places));
      shown.setAttribute("aria-label", `${name}, ${inWords(shares)}`);
      const told = [`most ${Math.max(...places)}\u00a0%`, `label ${shares.at(-1)}\u00a0%`];
      caption.replaceChildren(element("b", {}, name), element("br"), told[0], element("br"), told[1]);
    });
  }

  function show() {
    scene = sceneOf(plan, bytes, model.get("sprite"), model.get("level"));
    context.textContent = `context: t = ${timesteps[model.get("level")]}, ${CLASSES[labels[model.get("sprite")]]}`;
    showStep();
    showLooks();
  }

  function go(step) {
    pause();
    put(model, "step", step);
  }

  async function play() {
    if (playing) return pause();
    const first = model.get("step") === last ? 0 : model.get("step") + 1;
    if (calm()) return put(model, "step", first && last);
    const run = playing = {};
    player.textContent = "Pause";
    for (let step = first; playing === run && step <= last; step++) {
      put(model, "step", step);
      if (step < last) await new Promise((done) => setTimeout(done, PAUSE));
    }
    if (playing === run) pause();
  }

  function pause() {
    playing = null;
    player.textContent = "Play";
  }

  const player = button("Play", play, { class: "pixel-main" });
  const back = button("Back", () => go(model.get("step") - 1)), next = button("Next", () => go(model.get("step") + 1));
  const sprites = Object.fromEntries(labels.map((label, i) => [i, CLASSES[label]]));
  whenever(model, ["sprite", "level"], show);
  whenever(model, ["step"], showStep);
  whenever(model, ["place"], showLooks);
  el.classList.add("pixel-panel", "pixel-inside");
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      choice(model, "sprite", "sprite", sprites, Number),
      slider(model, "level", "noise", { min: 0, max: timesteps.length - 1 }, (level) => `t = ${timesteps[level]}`),
    ),
    element("div", { class: "pixel-row" }, player, back, next),
    stage,
    title,
    size,
    element("div", { class: "pixel-said" }, said),
    element("div", { class: "pixel-maps" }, ...tiles.map(({ figure }) => figure)),
    element("p", { class: "pixel-hint" }, SCALE(most)),
    element(
      "fieldset",
      { class: "pixel-compares" },
      element("legend", {}, "Attention at the bottom: choose one of 16 places, and see where its four heads look."),
      element(
        "div",
        { class: "pixel-looks" },
        element("figure", {}, board, element("figcaption", {}, element("b", {}, "asks"))),
        ...heads.map(({ figure }) => figure),
      ),
    ),
  );
  show();
  return pause;
}

export default { render };
