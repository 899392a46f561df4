// The JavaScript side of a comparison: reads points and settings, and prints what the page computes, as JSON.

import { pathOf } from "../../pixel_edu/widgets/js/field.js";
import { predict } from "../../pixel_edu/widgets/js/mixture.js";
import { callsNeeded, walk } from "../../pixel_edu/widgets/js/race.js";
import { cosine } from "../../pixel_edu/widgets/js/schedules.js";

const { answers, fields, races } = JSON.parse(await new Response(Deno.stdin.readable).text());
const schedule = cosine(), plain = (moments) => moments.map((points) => Array.from(points));

const said = { answers: [], fields: [], races: [], needed: {} };
for (const { points, t, label } of answers) said.answers.push(Array.from(predict(points, schedule.level(t), label)));
for (const { label, scale, seed } of fields) said.fields.push(plain(await pathOf(schedule, label, scale, seed)));
for (const { sampler, calls, seed } of races) said.races.push(plain(await walk(schedule, sampler, calls, seed)));
const ends = (await walk(schedule, "dpmpp_2m", schedule.length, 0)).at(-1);
for (const sampler of ["ddpm", "ddim", "dpmpp_2m"]) {
  said.needed[sampler] = await callsNeeded(schedule, sampler, 0, ends); // JSON makes null of infinity
}
console.log(JSON.stringify(said));
