// A sprite as numbers: point at a pixel, and read what it is to a painter, to a file, and to the network.

import { toHex } from "./colors.js";
import { frame } from "./cursor.js";
import { SIZE } from "./facts.js";
import { fromBytes, paint, tilesOf } from "./pixels.js";
import { canvas, checkbox, choice, element, status, whenever } from "./ui.js";

const CHANNELS = ["red", "green", "blue"], PIXELS = SIZE * SIZE;
const VEIL = [128, 128, 128, 190];

/** What can be said of a pixel: its bytes, the numbers that the network sees, and the places of its colour. */
export function about(bytes, row, column) {
  const place = row * SIZE + column,
    numbers = fromBytes(bytes),
    rgb = Array.from(bytes.slice(4 * place, 4 * place + 3));
  const alike = Array.from({ length: PIXELS }, (_, i) => i).filter((i) => rgb.every((b, c) => bytes[4 * i + c] === b));
  return { rgb, hex: toHex(rgb), numbers: CHANNELS.map((_, c) => numbers[c * PIXELS + place]), alike };
}

/** One channel of a sprite as a grey picture: bytes to bytes. */
export function channelOf(bytes, c) {
  return bytes.map((_, i) => i % 4 === 3 ? 255 : bytes[i - i % 4 + c]);
}

/** A number of the network as prose writes it: two decimals, and a true minus. */
export const told = (number) => (Math.abs(number) < 0.005 ? 0 : number).toFixed(2).replace("-", "−");

function channel(name) {
  const picture = canvas(SIZE, SIZE, ""), caption = element("figcaption");
  const stage = element("div", { class: "pixel-stage" }, picture), { move } = frame(stage);
  const show = (bytes, byte, column, row) => {
    paint(picture, bytes);
    picture.setAttribute("aria-label", `the ${name} channel as a grey picture`);
    caption.textContent = `${name}: ${byte}`;
    move(column, row);
  };
  return { figure: element("figure", { class: "pixel-small" }, stage, caption), show };
}

async function render({ model, el }) {
  const tiles = await tilesOf(Uint8Array.from(atob(model.get("sheet")), (letter) => letter.charCodeAt(0)));
  const names = model.get("names"),
    picture = canvas(SIZE, SIZE, ""),
    veil = element("canvas", { "aria-hidden": "true" });
  [veil.width, veil.height] = [SIZE, SIZE];
  const stage = element("div", { class: "pixel-stage", "data-lm-suppress-shortcuts": "true" }, picture, veil);
  const cursor = frame(stage), channels = CHANNELS.map(channel), said = status();
  const swatch = element("span", { class: "pixel-swatch", "aria-hidden": "true" });
  const cells = ["row, column", "bytes", "hex", "network", "same colour"].map((name) => {
    const value = element("dd");
    return { name: element("dt", {}, name), value };
  });

  /** Show what is under the frame; `aloud` where the reader chose it, and not while a mouse only passes. */
  function show(aloud) {
    const { x, y } = cursor.place,
      bytes = tiles[model.get("sprite")],
      { rgb, hex, numbers, alike } = about(bytes, y, x);
    const network = numbers.map(told).join(", "), count = `${alike.length} of ${PIXELS}`;
    paint(picture, bytes);
    const veiled = new Uint8ClampedArray(4 * PIXELS);
    if (model.get("alike")) { for (let i = 0; i < PIXELS; i++) if (!alike.includes(i)) veiled.set(VEIL, 4 * i); }
    paint(veil, veiled);
    channels.forEach(({ show }, c) => show(channelOf(bytes, c), rgb[c], x, y));
    swatch.style.background = hex;
    [`${y}, ${x}`, rgb.join(", "), hex, network, count].forEach((text, i) => cells[i].value.textContent = text);
    cells[2].value.append(swatch);
    if (!aloud) return;
    picture.setAttribute("aria-label", `A sprite, ${names[model.get("sprite")]}; row ${y}, column ${x} is chosen.`);
    said.textContent = `Row ${y}, column ${x}: ${rgb.map((byte, c) => `${CHANNELS[c]} ${byte}`).join(", ")}. ` +
      `For the network ${network}. ${count} pixels have this colour.`;
  }

  function choose() { // what the frame is on stays, also when the mouse goes elsewhere
    model.set("row", cursor.place.y);
    model.set("column", cursor.place.x);
    model.save_changes();
  }

  function back() {
    cursor.move(model.get("column"), model.get("row"));
    show(true);
  }

  stage.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "mouse") return;
    cursor.point(event);
    show(false);
  });
  stage.addEventListener("pointerleave", back);
  stage.addEventListener("click", (event) => {
    cursor.point(event);
    choose();
  });
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    cursor.move(model.get("column"), model.get("row")); // keys go on from what was chosen, not from where a mouse is
    if (!cursor.step(event)) return;
    choose();
    event.preventDefault();
  });
  for (
    const [name, value] of Object.entries({
      tabindex: 0,
      role: "application",
      "aria-label": "The sprite: arrow keys choose a pixel.",
    })
  ) stage.setAttribute(name, value);
  whenever(model, ["sprite", "row", "column", "alike"], back);
  el.classList.add("pixel-panel", "pixel-inspector");
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      choice(model, "sprite", "sprite", Object.fromEntries(names.entries()), Number),
      checkbox(model, "alike", "light up its colour"),
    ),
    element(
      "div",
      { class: "pixel-sides" },
      element("figure", {}, stage, element("figcaption", {}, "Point at a pixel, tap it, or use the arrow keys.")),
      element(
        "div",
        { style: "flex: 1 1 240px" },
        element("dl", {}, ...cells.flatMap(({ name, value }) => [name, value])),
        element("div", { class: "pixel-sum" }, ...channels.map(({ figure }) => figure)),
      ),
    ),
    said,
  );
  back();
}

export default { render };
