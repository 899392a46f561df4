import assert from "node:assert/strict";
import { colored, inWords, lit, opaque, sceneOf } from "../../pixel_edu/widgets/js/inside.js";

const COLORS = ["#2b7fce", "#d9590b"];

Deno.test("an image gets its opacity, and keeps its colours", () => {
  assert.deepEqual([...opaque([1, 2, 3, 4, 5, 6])], [1, 2, 3, 255, 4, 5, 6, 255]);
});

Deno.test("a map is white at 0, and has its two colours at both ends", () => {
  assert.deepEqual([...colored([128, 1, 255], COLORS)], [
    ...[255, 255, 255, 255],
    ...[0x2b, 0x7f, 0xce, 255],
    ...[0xd9, 0x59, 0x0b, 255],
  ]);
});

Deno.test("the place that is looked at most is as bright as before, others are dim, and all stay opaque", () => {
  const shares = Array(16).fill(0), white = opaque(Array(3 * 256).fill(200));
  shares[6] = 40; // row 2, column 3
  shares[15] = 20;
  const shown = lit(white, shares), at = (row, column) => shown[4 * (16 * row + column)];
  assert.deepEqual([at(4, 8), at(7, 11)], [200, 200]);
  assert.deepEqual([at(3, 8), at(4, 7), at(8, 8), at(4, 12)], [24, 24, 24, 24]);
  assert.equal(at(15, 15), 112);
  assert.ok(shown.every((byte, i) => i % 4 !== 3 || byte === 255));
});

Deno.test("weights are told row by row, and the label's last", () => {
  const shares = Array.from({ length: 17 }, (_, i) => i);
  assert.equal(
    inWords(shares),
    "in percent, row 1: 0 1 2 3, row 2: 4 5 6 7, row 3: 8 9 10 11, row 4: 12 13 14 15; the label: 16",
  );
});

Deno.test("every scene has its own maps, pictures and weights, in the order in which they are stored", () => {
  const plan = {
    labels: [0, 2],
    timesteps: [1, 2, 3],
    heads: 2,
    stops: [{ size: 2, channels: [0, 1] }, { size: 1, channels: [7] }],
  };
  const image = 3 * 256, each = 2 * 4 + 1;
  const bytes = {
    maps: Uint8Array.from({ length: 6 * each }, (_, i) => i),
    pictures: Uint8Array.from({ length: 14 * image }, (_, i) => Math.floor(i / image)),
    looks: Uint8Array.from({ length: 6 * 2 * 16 * 17 }, (_, i) => Math.floor(i / 17) % 251),
  };
  const { maps, noisy, guess, truth, look } = sceneOf(plan, bytes, 1, 2);
  assert.deepEqual(maps.map((stop) => stop.map((map) => [...map])), [[[45, 46, 47, 48], [49, 50, 51, 52]], [[53]]]);
  assert.deepEqual([noisy[0], guess[0], truth[0]], [5, 11, 13]);
  assert.deepEqual(look(1, 3), Array(17).fill(((5 * 2 + 1) * 16 + 3) % 251));
});
