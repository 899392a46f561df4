// The JavaScript side of a comparison: reads settings, and prints the paths that the page computes, as JSON.

import { crowdOf, pathOf } from "../../pixel_edu/widgets/js/paths.js";
import { cosine } from "../../pixel_edu/widgets/js/schedules.js";

const asked = JSON.parse(await new Response(Deno.stdin.readable).text());
const schedule = cosine(), plain = (moments) => moments.map((points) => Array.from(points)), said = [];
for (const settings of asked) {
  said.push({ path: plain(await pathOf(schedule, settings)), many: plain(await crowdOf(schedule, settings)) });
}
console.log(JSON.stringify(said));
