import assert from "node:assert/strict";
import { colorsOf, shareEqual, toHex } from "../../pixel_edu/widgets/js/colors.js";
import { counted, restored, spoiled } from "../../pixel_edu/widgets/js/lab.js";

const PALETTE = [[255, 255, 255], [0, 0, 0], [200, 30, 30]];

/** A white image with some pixels of other colours. */
function image(pixels = {}) {
  const bytes = new Uint8ClampedArray(1024).fill(255);
  for (const [place, color] of Object.entries(pixels)) bytes.set(color, 4 * place);
  return bytes;
}

Deno.test("colours are counted once, from dark to light", () => {
  assert.deepEqual(colorsOf(image({ 3: [200, 30, 30], 4: [0, 0, 0], 90: [0, 0, 0] })), [
    [0, 0, 0],
    [200, 30, 30],
    [255, 255, 255],
  ]);
});

Deno.test("a pixel that differs in one channel is not equal", () => {
  assert.equal(shareEqual(image(), image()), 1);
  assert.equal(shareEqual(image(), image({ 0: [255, 255, 254] })), 255 / 256);
});

Deno.test("a colour is written as pages write it", () => assert.equal(toHex([0, 10, 255]), "#000aff"));

Deno.test("one colour is one colour", () => assert.deepEqual([1, 2].map(counted), ["1 colour", "2 colours"]));

Deno.test("no noise spoils nothing, and opacity is never touched", () => {
  const bytes = image({ 7: [12, 200, 99] }), eps = new Float64Array(768).fill(1);
  assert.deepEqual(spoiled(bytes, eps, 0), bytes);
  assert.ok(spoiled(bytes, eps, -2).every((byte, i) => i % 4 < 3 || byte === 255));
});

Deno.test("left alone stays; nearest keeps a stray pixel; snapping drops it", () => {
  const bytes = image({ 100: [250, 250, 250], 120: [200, 30, 30] });
  assert.deepEqual(restored(bytes, PALETTE, "none", 0.3, 0.15), bytes);
  assert.deepEqual(restored(bytes, PALETTE, "nearest", 0.3, 0.15), image({ 120: [200, 30, 30] }));
  assert.deepEqual(restored(bytes, PALETTE, "snap", 0.7, 0), image());
});
