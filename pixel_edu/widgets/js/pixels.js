// Sprites as numbers, on canvases and in files. An image is 3 x 16 x 16 numbers in -1 .. 1, red, green and blue planes.

import { SIZE } from "./facts.js";

export const NUMBERS = 3 * SIZE * SIZE;

/** One image of a batch as bytes: red, green, blue, opaque for each pixel; clamped and rounded as to_uint8 does. */
export function toBytes(x, place = 0) {
  const bytes = new Uint8ClampedArray(4 * SIZE * SIZE).fill(255), plane = SIZE * SIZE;
  for (let i = 0; i < plane; i++) {
    for (let c = 0; c < 3; c++) {
      bytes[4 * i + c] = (Math.min(Math.max(x[place * NUMBERS + c * plane + i], -1), 1) + 1) * 127.5;
    }
  }
  return bytes;
}

/** Undo `toBytes`: bytes of one image to numbers in -1 .. 1. */
export function fromBytes(bytes) {
  const x = new Float64Array(NUMBERS), plane = SIZE * SIZE;
  for (let i = 0; i < plane; i++) for (let c = 0; c < 3; c++) x[c * plane + i] = bytes[4 * i + c] / 127.5 - 1;
  return x;
}

/** An image's bytes with the white that its border reaches transparent, as cut_out of pixel_edu/pixelart.py. */
export function cutOut(bytes) {
  const cut = Uint8ClampedArray.from(bytes), last = SIZE - 1;
  const places = Array.from({ length: SIZE * SIZE }, (_, i) => [i % SIZE, Math.floor(i / SIZE)]);
  const waiting = places.filter(([x, y]) => x === 0 || y === 0 || x === last || y === last);
  const light = ([x, y]) => Math.min(...bytes.slice(4 * (x + SIZE * y), 4 * (x + SIZE * y) + 3));
  const most = waiting.map(light).sort((a, b) => a - b)[waiting.length / 2]; // a shade off white counts as white
  const lightest = (most >= 240 && most < 253 ? most : 255) - 2;
  while (waiting.length) {
    const [x, y] = waiting.pop(), i = 4 * (x + SIZE * y);
    if (x < 0 || y < 0 || x > last || y > last || !cut[i + 3] || light([x, y]) < lightest) continue;
    cut.set([255, 255, 255, 0], i);
    waiting.push([x - 1, y], [x + 1, y], [x, y - 1], [x, y + 1]);
  }
  return cut;
}

/** Paint an image's bytes on a canvas of 16 x 16, or at a place of a larger one. */
export function paint(canvas, bytes, left = 0, top = 0) {
  canvas.getContext("2d").putImageData(new ImageData(bytes, SIZE, SIZE), left, top);
}

/** A canvas of sprites, a pixel apart, without their backgrounds. */
export function transparent(canvas) {
  const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: SIZE });
  for (let left = 0; left < canvas.width; left += SIZE + 1) {
    paint(copy, cutOut(canvas.getContext("2d").getImageData(left, 0, SIZE, SIZE).data), left);
  }
  return copy;
}

/** Offer a canvas as a PNG file, each pixel `scale` screen pixels wide. */
export async function download(canvas, name, scale = 1) {
  const large = document.createElement("canvas");
  [large.width, large.height] = [canvas.width * scale, canvas.height * scale];
  const context = large.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, large.width, large.height);
  const file = await new Promise((done) => large.toBlob(done, "image/png"));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The tiles of a sheet of sprites, row after row, as bytes. */
export async function tilesOf(file, gap = 0) {
  const picture = await createImageBitmap(new Blob([file], { type: "image/png" }));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const tiles = [];
  for (let top = 0; top + SIZE <= picture.height; top += SIZE + gap) {
    for (let left = 0; left + SIZE <= picture.width; left += SIZE + gap) {
      tiles.push(context.getImageData(left, top, SIZE, SIZE).data);
    }
  }
  return tiles;
}
