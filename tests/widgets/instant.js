// Both networks on one page, asked for at once: reads what to draw, draws it, and prints the numbers as JSON.

import { drawn } from "../../pixel_edu/widgets/js/instant.js";
import { loadDenoiser } from "../../pixel_edu/widgets/js/network.js";
import { snap } from "../../pixel_edu/widgets/js/palette.js";
import { stream } from "../../pixel_edu/widgets/js/sampling.js";

const { files, labels, seeds, shares } = JSON.parse(await new Response(Deno.stdin.readable).text());
const loaded = [], told = [];
const asset = async (name, onProgress = () => {}) => {
  loaded.push(name);
  onProgress(0.5);
  const bytes = await Deno.readFile(files[name]);
  onProgress(1);
  return bytes;
};
const [instant, reference] = await Promise.all([
  loadDenoiser(asset, (share) => told.push(share), "instant"),
  loadDenoiser(asset),
]);
const again = await loadDenoiser(asset, undefined, "instant");
const sprites = await drawn(instant, labels, seeds, shares);
let step;
for await (step of stream(reference, labels, labels.map(() => seeds[0]), { num_steps: 2 }));
console.log(JSON.stringify({
  loaded: loaded.sort(),
  told,
  same: again === instant,
  calls: [instant.calls, reference.calls],
  sprites: sprites.map((bytes) => Array.from(bytes)),
  snapped: sprites.map((bytes) => Array.from(snap(bytes, instant.palette))),
  reference: Array.from(step.x),
}));
