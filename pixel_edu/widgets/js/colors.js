// What can be counted in a sprite's bytes: its colours, and how much of it is as it should be.

import { toOklab } from "./palette.js";

/** The different colours of an image, as lists of three bytes, from dark to light. */
export function colorsOf(bytes) {
  const found = new Map();
  for (let i = 0; i < bytes.length; i += 4) {
    const color = [bytes[i], bytes[i + 1], bytes[i + 2]];
    found.set(String(color), color);
  }
  return [...found.values()]
    .map((color) => ({ color, light: toOklab(color)[0] }))
    .sort((a, b) => a.light - b.light)
    .map(({ color }) => color);
}

/** The share of pixels whose colour is the same in two images. */
export function shareEqual(bytes, others) {
  let equal = 0;
  for (let i = 0; i < bytes.length; i += 4) {
    if ([0, 1, 2].every((c) => bytes[i + c] === others[i + c])) equal += 1;
  }
  return equal / (bytes.length / 4);
}

/** A colour as a page writes it, such as "#17131f". */
export function toHex(color) {
  return "#" + Array.from(color, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
