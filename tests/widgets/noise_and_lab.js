// Runs the JavaScript side of a comparison: reads images as bytes, noises and restores them, and prints the numbers.

import { addNoise } from "../../pixel_edu/widgets/js/diffusion.js";
import { restored, spoiled } from "../../pixel_edu/widgets/js/lab.js";
import { fromWords } from "../../pixel_edu/widgets/js/palette.js";
import { fromBytes, NUMBERS } from "../../pixel_edu/widgets/js/pixels.js";
import { Generator } from "../../pixel_edu/widgets/js/random.js";
import { SCHEDULES } from "../../pixel_edu/widgets/js/schedules.js";

const { images, palette, mixes, benches } = JSON.parse(await new Response(Deno.stdin.readable).text());
const bytes = images.map((image) => Uint8ClampedArray.from(image)), colors = fromWords(palette);
const noise = (seed) => new Generator(seed).normal(NUMBERS);

const mixed = mixes.map(({ schedule, t, seed }, i) =>
  Array.from(addNoise(fromBytes(bytes[i]), noise(seed), SCHEDULES[schedule]().level(t)))
);
const benched = benches.map(({ amount, seed, how, tolerance, loneliness }, i) => {
  const before = spoiled(bytes[i], noise(seed), amount);
  return { before: Array.from(before), after: Array.from(restored(before, colors, how, tolerance, loneliness)) };
});
console.log(JSON.stringify({ mixed, benched }));
