// The JavaScript side of a comparison: reads weights and questions, and prints what the page computes, as JSON.

import {
  answer,
  arrived,
  drawPoints,
  leastLoss,
  lossAndGradient,
  questions,
  Training,
} from "../../pixel_edu/widgets/js/learner.js";
import { Generator } from "../../pixel_edu/widgets/js/random.js";

const { weights, count, seed, points, t, c, steps, rate } = JSON.parse(await new Response(Deno.stdin.readable).text());
const asked = questions(new Generator(seed), count), own = Float32Array.from(weights), run = new Training(rate, seed);
const { loss, gradient } = lossAndGradient(own, asked), first = Array.from(run.weights);
for (let step = 0; step < steps; step++) run.advance();
const drawn = await drawPoints(run.average, run.start);
console.log(JSON.stringify({
  questions: [Array.from(asked.points), asked.t, asked.c, Array.from(asked.v)],
  answers: Array.from(answer(own, Float64Array.from(points), t, c)),
  loss,
  gradient: Array.from(gradient),
  least: leastLoss(),
  first,
  losses: run.losses,
  weights: Array.from(run.weights),
  average: Array.from(run.average),
  drawn: Array.from(drawn),
  arrived: arrived(drawn),
}));
