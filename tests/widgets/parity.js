// Runs the JavaScript side of a comparison: reads what to draw, draws it, and prints the numbers as JSON.

import { CLASSES } from "../../pixel_edu/widgets/js/facts.js";
import { loadDenoiser } from "../../pixel_edu/widgets/js/network.js";
import { snap } from "../../pixel_edu/widgets/js/palette.js";
import { cutOut, toBytes } from "../../pixel_edu/widgets/js/pixels.js";
import { Generator } from "../../pixel_edu/widgets/js/random.js";
import { stream } from "../../pixel_edu/widgets/js/sampling.js";
import { SCHEDULES } from "../../pixel_edu/widgets/js/schedules.js";

const { files, runs, seeds, whites } = JSON.parse(await new Response(Deno.stdin.readable).text());
const denoiser = await loadDenoiser((name) => Deno.readFile(files[name]));

const sprites = [], snapped = [];
for (const { labels, seeds, settings } of runs) {
  let last;
  for await (last of stream(denoiser, labels, seeds, settings));
  sprites.push(Array.from(last.x));
  snapped.push(labels.map((_, place) => Array.from(snap(toBytes(last.x, place), denoiser.palette))));
}
const noise = seeds.map((seed) => Array.from(new Generator(seed).normal(1536)));
const levels = Object.fromEntries(
  Object.entries(SCHEDULES).map(([name, make]) => {
    const schedule = make();
    return [name, {
      alpha_bar: schedule.alphaBar,
      half_log_snr: schedule.alphaBar.map((_, t) => schedule.level(t).halfLogSnr),
      timesteps: schedule.timesteps(37),
      between: schedule.timestepsBetween(-1, 1),
    }];
  }),
);
console.log(
  JSON.stringify({
    classes: CLASSES,
    sprites,
    snapped,
    noise,
    levels,
    cut: whites.map((bytes) => Array.from(cutOut(bytes))),
  }),
);
