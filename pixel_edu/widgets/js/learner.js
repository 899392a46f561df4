// A network of a few thousand weights that learns chapter 3's six blobs in the page: its answers, the gradient by hand,
// and the course's training loop. As pixel_edu/widgets/learner.py, from the same random numbers.
//
// Arrays are flat: a batch of B points with n numbers each has B·n numbers, a point's one after the other. All weights
// lie in one array, layer by layer, so that the optimiser and the average need not know of layers.

import { predict, RING } from "./mixture.js";
import { Generator } from "./random.js";
import { ddimSteps } from "./samplers.js";
import { cosine } from "./schedules.js";

export const STEPS = 3000, BATCH = 128, DRAWN = 96, CALLS = 20;
const WAVES = 4, NOTHING = 3, WIDTH = 64, ASKED = 8192;
const WARMUP = 100, BETAS = [0.9, 0.99], DECAY = 1e-4, TINY = 1e-8, CLIP = 1, HIDDEN = 0.1, EMA = 0.99;
/** The numbers that go into each layer, and those that come out of the last: point, time waves and label; v. */
export const SIZES = [2 + 2 * WAVES + NOTHING + 1, WIDTH, WIDTH, 2];
const LAYERS = layers();
/** Weights and biases together. */
export const WEIGHTS = LAYERS.at(-1).end;
/** Operations of a training step: a multiplication and an addition for each weight forward, and twice that back. */
export const OPERATIONS = 3 * 2 * BATCH * LAYERS.reduce((sum, { inputs, outputs }) => sum + inputs * outputs, 0);
const schedule = cosine(), LEVELS = schedule.alphaBar.map((_, t) => schedule.level(t));

/** Where in the array of weights each layer has its matrix, an output in each row, and its biases. */
function layers() {
  const found = [];
  for (let k = 1, end = 0; k < SIZES.length; k++) {
    const [inputs, outputs] = [SIZES[k - 1], SIZES[k]], matrix = end, bias = matrix + inputs * outputs;
    end = bias + outputs;
    found.push({ inputs, outputs, matrix, bias, end });
  }
  return found;
}

/** First weights as PyTorch's linear layers have them: evenly spread, up to one over the root of the inputs. */
function firstWeights(dice) {
  const weights = new Float32Array(WEIGHTS);
  for (const { inputs, matrix, end } of LAYERS) {
    for (let i = matrix; i < end; i++) weights[i] = (2 * dice.uniform() - 1) / Math.sqrt(inputs);
  }
  return weights;
}

/** What the network is told: the point, waves of its timestep, and which class, the last place for none. */
function told(points, t, c) {
  const inputs = SIZES[0], all = new Float32Array(t.length * inputs);
  for (let n = 0; n < t.length; n++) {
    const angle = (t[n] + 1) / schedule.length * Math.PI / 2, first = n * inputs;
    [all[first], all[first + 1]] = [points[2 * n], points[2 * n + 1]];
    for (let k = 0; k < WAVES; k++) {
      all[first + 2 + k] = Math.cos(2 ** k * angle);
      all[first + 2 + WAVES + k] = Math.sin(2 ** k * angle);
    }
    all[first + 2 + 2 * WAVES + c[n]] = 1;
  }
  return all;
}

/** Each layer's input, its sums, and the gates of its SiLU, z·gate(z) = z / (1 + exp(-z)); the last has no SiLU. */
function forward(weights, all, count) {
  const kept = [];
  let input = all;
  for (const { inputs, outputs, matrix, bias } of LAYERS) {
    const sums = new Float32Array(count * outputs), gates = new Float32Array(count * outputs);
    const output = new Float32Array(count * outputs);
    for (let n = 0; n < count; n++) {
      const from = n * inputs, to = n * outputs;
      for (let j = 0; j < outputs; j++) {
        const row = matrix + j * inputs;
        let sum = weights[bias + j];
        for (let i = 0; i < inputs; i++) sum += weights[row + i] * input[from + i];
        const gate = 1 / (1 + Math.exp(-sum));
        [sums[to + j], gates[to + j], output[to + j]] = [sum, gate, sum * gate];
      }
    }
    kept.push({ input, sums, gates });
    input = output;
  }
  return kept;
}

/** The gradient of a loss by all weights, from that by the answers: the chain rule, last layer first. */
function backward(weights, kept, slope, count) {
  const gradient = new Float32Array(WEIGHTS);
  for (let k = LAYERS.length - 1; k >= 0; k--) {
    const { inputs, outputs, matrix, bias } = LAYERS[k], { input } = kept[k];
    const below = new Float32Array(count * inputs);
    for (let n = 0; n < count; n++) {
      const from = n * inputs, to = n * outputs;
      for (let j = 0; j < outputs; j++) {
        const steep = slope[to + j], row = matrix + j * inputs;
        gradient[bias + j] += steep;
        for (let i = 0; i < inputs; i++) {
          gradient[row + i] += steep * input[from + i];
          below[from + i] += steep * weights[row + i];
        }
      }
    }
    if (k === 0) break;
    const { sums, gates } = kept[k - 1]; // d(z·g)/dz = g + z·g·(1 - g)
    for (let i = 0; i < below.length; i++) below[i] *= gates[i] * (1 + sums[i] * (1 - gates[i]));
    slope = below;
  }
  return gradient;
}

/** The network's answers v to points at timesteps t with labels c. */
export function answer(weights, points, t, c) {
  return forward(weights, told(points, t, c), t.length).at(-1).sums;
}

/** A batch of questions: points, timesteps, labels, and the right answers v = α·ε - σ·x₀. */
export function questions(dice, count) {
  const drawn = Float64Array.from({ length: 3 * count }, () => dice.uniform());
  const offsets = dice.normal(2 * count), eps = dice.normal(2 * count);
  const points = new Float64Array(2 * count), v = new Float64Array(2 * count), t = [], c = [];
  for (let n = 0; n < count; n++) {
    const blob = RING.blobs[Math.floor(6 * drawn[n])];
    t.push(Math.floor(schedule.length * drawn[count + n]));
    c.push(drawn[2 * count + n] < HIDDEN ? NOTHING : blob.label);
    const { signal, noise } = LEVELS[t[n]];
    [blob.x, blob.y].forEach((center, axis) => {
      const i = 2 * n + axis, x0 = center + RING.spread * offsets[i];
      points[i] = signal * x0 + noise * eps[i];
      v[i] = signal * eps[i] - noise * x0;
    });
  }
  return { points, t, c, v };
}

/** Mean squared error of the answers, and its gradient by the weights. */
export function lossAndGradient(weights, { points, t, c, v }) {
  const kept = forward(weights, told(points, t, c), t.length), { sums } = kept.at(-1);
  const slope = new Float32Array(v.length);
  let loss = 0;
  for (let i = 0; i < v.length; i++) {
    const miss = sums[i] - v[i];
    loss += miss * miss / v.length;
    slope[i] = 2 * miss / v.length;
  }
  return { loss, gradient: backward(weights, kept, slope, t.length) };
}

/** The loss of the perfect network: chapter 3's oracle answers the same kind of questions. */
export function leastLoss() {
  const { points, t, c, v } = questions(new Generator(0), ASKED);
  let loss = 0;
  for (let n = 0; n < ASKED; n++) {
    const level = LEVELS[t[n]], point = points.slice(2 * n, 2 * n + 2);
    const eps = predict(point, level, c[n] === NOTHING ? null : c[n], RING);
    eps.forEach((each, axis) => {
      const guess = (each - level.noise * point[axis]) / level.signal; // α·v = ε - σ·x
      loss += (guess - v[2 * n + axis]) ** 2 / v.length;
    });
  }
  return loss;
}

/** The classes of the drawn points, in turns. */
export const classOf = (i) => i % NOTHING;

/** Where DDIM leads the starting points with these weights. */
export async function drawPoints(weights, start) {
  const labels = Array.from({ length: start.length / 2 }, (_, i) => classOf(i));
  const predictEps = (x, t) => {
    const { signal, noise } = LEVELS[t], v = answer(weights, x, labels.map(() => t), labels);
    return x.map((value, i) => noise * value + signal * v[i]);
  };
  let x;
  for await ({ x } of ddimSteps(predictEps, schedule, start, CALLS));
  return x;
}

/** The share of drawn points that lie within three spreads of a blob of their class; 99 % of the data do. */
export function arrived(points) {
  let count = 0;
  for (let i = 0; i < points.length / 2; i++) {
    const [x, y] = [points[2 * i], points[2 * i + 1]];
    count += RING.blobs.some((blob) =>
      blob.label === classOf(i) && Math.hypot(x - blob.x, y - blob.y) < 3 * RING.spread
    );
  }
  return 2 * count / points.length;
}

/** Clean data, as many points as asked for, and whose class each is. */
export function examples(count) {
  const offsets = new Generator(1).normal(2 * count);
  return Array.from({ length: count }, (_, i) => {
    const { x, y, label } = RING.blobs[i % 6];
    return { x: x + RING.spread * offsets[2 * i], y: y + RING.spread * offsets[2 * i + 1], label };
  });
}

/** The learning rate of step 1 .. STEPS: a straight line up, then half a cosine down to 0. */
export function rateAt(step, rate) {
  if (step <= WARMUP) return rate * step / WARMUP;
  return rate * (1 + Math.cos(Math.PI * (step - WARMUP) / (STEPS - WARMUP))) / 2;
}

/** A run: weights, their average, what AdamW remembers of each, and the points that it draws from. */
export class Training {
  #dice;
  #mean = new Float32Array(WEIGHTS);
  #square = new Float32Array(WEIGHTS);

  constructor(rate, seed) {
    this.#dice = new Generator(seed);
    [this.rate, this.step, this.losses] = [rate, 0, []];
    this.weights = firstWeights(this.#dice);
    this.average = this.weights.slice();
    this.start = this.#dice.normal(2 * DRAWN);
  }

  /** One step: ask, compare, correct (AdamW: Loshchilov & Hutter 2019, arXiv:1711.05101). */
  advance() {
    const { loss, gradient } = lossAndGradient(this.weights, questions(this.#dice, BATCH));
    const step = ++this.step, rate = rateAt(step, this.rate), [keep, keepSquare] = BETAS;
    const shorten = Math.min(CLIP / (Math.sqrt(gradient.reduce((sum, g) => sum + g * g, 0)) + 1e-6), 1);
    const share = 1 - Math.min(EMA, step / (step + 9)), { weights, average } = this;
    const [begun, begunSquare] = [1 - keep ** step, 1 - keepSquare ** step];
    for (let i = 0; i < WEIGHTS; i++) {
      const g = shorten * gradient[i];
      this.#mean[i] += (1 - keep) * (g - this.#mean[i]);
      this.#square[i] += (1 - keepSquare) * (g * g - this.#square[i]);
      const move = this.#mean[i] / begun / (Math.sqrt(this.#square[i] / begunSquare) + TINY);
      weights[i] -= rate * (move + DECAY * weights[i]);
      average[i] += share * (weights[i] - average[i]);
    }
    this.losses.push(loss);
  }
}
