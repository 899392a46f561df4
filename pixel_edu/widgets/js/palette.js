// Few colours, each meant: colours in OKLab, and sprites snapped to a palette, as in pixel_edu/palette.py.

import { SIZE } from "./facts.js";

const TO_CONES = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const TO_LAB = [
  [0.2104542553, 0.7936177850, -0.0040720468],
  [1.9779984951, -2.4285922050, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.8086757660],
];

/** From bytes of red, green and blue to OKLab (Ottosson 2020), in which equal distances look about equally different. */
export function toOklab(rgb) {
  const linear = rgb.map((byte) => byte / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return product(TO_LAB, product(TO_CONES, linear).map((cone) => Math.cbrt(Math.max(cone, 0))));
}

/** Colours by name, such as "ffffff 17131f", as lists of three bytes. */
export function fromWords(words) {
  return words.split(" ").map((word) => [0, 2, 4].map((i) => parseInt(word.slice(i, i + 2), 16)));
}

/** Squared distances in OKLab of every pixel to every colour. */
export function squaredDistances(bytes, palette) {
  const labs = palette.map(toOklab);
  return Array.from({ length: bytes.length / 4 }, (_, i) => {
    const lab = toOklab([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2]]);
    return labs.map((other) => lab.reduce((sum, value, k) => sum + (value - other[k]) ** 2, 0));
  });
}

/**
 * Give every pixel a colour of a palette, the sprite no more colours than it needs, and stray pixels the colour of a neighbour.
 *
 * @param {Uint8ClampedArray} bytes of one image: red, green, blue and opacity of each pixel
 * @param {number[][]} palette colours as bytes
 * @param {number} tolerance how much a colour's pixels may lose when it is dropped; 0 keeps every nearest colour
 * @param {number} loneliness how much worse a neighbour's colour may be for a stray pixel; 0 leaves it alone
 * @returns {Uint8ClampedArray}
 */
export function snap(bytes, palette, tolerance = 0.11, loneliness = 0.055) {
  const far = squaredDistances(bytes, palette), kept = needed(far, tolerance ** 2);
  const nearest = far.map((distances) => kept[smallest(kept.map((color) => distances[color]))]);
  const snapped = Uint8ClampedArray.from(bytes);
  joined(nearest, far, loneliness ** 2).forEach((color, i) => snapped.set(palette[color], 4 * i));
  return snapped;
}

/** Which colours stay: one by one goes the colour whose pixels lose least by taking their next best. */
function needed(far, tolerance) {
  let kept = [...new Set(far.map(smallest))].sort((a, b) => a - b);
  while (kept.length > 1) {
    const loss = kept.map(() => 0);
    for (const distances of far) {
      const left = kept.map((color) => distances[color]), first = smallest(left), best = left[first];
      left[first] = Infinity;
      loss[first] += Math.min(...left) - best;
    }
    const cheapest = smallest(loss);
    if (loss[cheapest] > tolerance) break;
    kept = kept.filter((_, i) => i !== cheapest);
  }
  return kept;
}

/** Stray pixels join a neighbour: the white squares of a chessboard, then the black ones, and again. */
function joined(index, far, worth) {
  for (const turn of [0, 1, 0, 1]) {
    const before = index;
    index = before.map((color, i) => {
      const x = i % SIZE, y = Math.floor(i / SIZE);
      if ((x + y) % 2 !== turn) return color;
      const around = [[0, -1], [0, 1], [-1, 0], [1, 0]]
        .filter(([right, down]) => inside(x + right) && inside(y + down))
        .map(([right, down]) => before[i + right + SIZE * down]);
      if (around.includes(color)) return color;
      const best = around[smallest(around.map((other) => far[i][other]))];
      return far[i][best] < far[i][color] + worth ? best : color;
    });
  }
  return index;
}

function inside(place) {
  return 0 <= place && place < SIZE;
}

/** The place of the smallest value, the first of several. */
function smallest(values) {
  let place = 0;
  for (let i = 1; i < values.length; i++) if (values[i] < values[place]) place = i;
  return place;
}

function product(matrix, vector) {
  return matrix.map((row) => row.reduce((sum, value, k) => sum + value * vector[k], 0));
}
