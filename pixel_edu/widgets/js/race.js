// A race in the plane: samplers walk from the same noise, and the exact end of the path is known.

import { TITLES } from "./facts.js";
import { CLEAN, meanDistance, predict } from "./mixture.js";
import { COLORS, plane } from "./plane.js";
import { Generator } from "./random.js";
import { SAMPLERS } from "./samplers.js";
import { cosine } from "./schedules.js";
import { button, calm, checkbox, element, painted, seed, slider, status, whenever } from "./ui.js";

export const COUNT = 64;
const RUNNERS = ["ddpm", "ddim", "dpmpp_2m"];
const CORNERS = { ddpm: 0, ddim: 4, dpmpp_2m: 3 }, MARKS = { ddpm: "●", ddim: "■", dpmpp_2m: "▲" };
const SECONDS = 4;
/** How long a race takes to play. */
const LABEL = 0, SHOWN = 6, MOST = 50, NEAR = 0.05, REACH = 2.6, LEAST = 0.001, FARTHEST = 2;

/** Where the points are before the first call and after each; the perfect model of one class answers. */
export async function walk(schedule, sampler, numSteps, seed) {
  const generator = new Generator(seed), moments = [generator.normal(2 * COUNT)];
  const predictEps = (x, t) => predict(x, schedule.level(t), LABEL);
  const steps = SAMPLERS[sampler](predictEps, schedule, moments[0], numSteps, (count) => generator.normal(count));
  for await (const { x } of steps) moments.push(x);
  return moments;
}

/** The fewest calls that bring a sampler's points near their exact ends, or Infinity. */
export async function callsNeeded(schedule, sampler, seed, ends) {
  for (let calls = 1; calls <= MOST; calls++) {
    if (meanDistance((await walk(schedule, sampler, calls, seed)).at(-1), ends) <= NEAR) return calls;
  }
  return Infinity;
}

const callsInWords = (calls) => calls === Infinity ? `more than ${MOST}` : `${calls}`;

function render({ model, el }) {
  const schedule = cosine(), said = status(), { picture, redraw, stop } = plane(REACH, draw);
  const rows = RUNNERS.map((name, i) => row(model, name, COLORS[i]));
  let exact = [], runs = [], share = 1, playing = false;

  async function restart() {
    const seed = model.get("seed");
    exact = await walk(schedule, "dpmpp_2m", schedule.length, seed);
    const [ddim, solver] = await Promise.all(
      ["ddim", "dpmpp_2m"].map((sampler) => callsNeeded(schedule, sampler, seed, exact.at(-1))),
    );
    said.textContent = `Calls to come within ${NEAR} of the exact ends: DDIM ${callsInWords(ddim)}, ` +
      `DPM-Solver++ ${callsInWords(solver)}. DDPM draws fresh noise on its way: it ends elsewhere, among the data too.`;
    await race();
  }

  async function race() {
    [share, playing] = [1, false]; // whoever moves a control wants to see the end
    const [calls, seed] = [model.get("num_steps"), model.get("seed")];
    runs = await Promise.all(rows.map(({ sampler }) => walk(schedule, sampler, calls, seed)));
    rows.forEach(({ show }, i) => show(meanDistance(runs[i].at(-1), exact.at(-1))));
    const seen = rows.filter(({ sampler }) => model.get(sampler)).map(({ told }) => told());
    picture.setAttribute(
      "aria-label",
      `Paths of ${SHOWN} points from noise to data, ${calls === 1 ? "one call" : `${calls} calls`} each. ` +
        (seen.length ? `Distance from the exact ends: ${seen.join(", ")}.` : "Only the exact paths are shown."),
    );
    redraw();
  }

  async function play() {
    if (playing || calm()) {
      [share, playing] = [1, false];
      return redraw();
    }
    playing = true;
    player.textContent = "Stop";
    for (let began = performance.now(), past = 0; playing && past < SECONDS;) {
      share = past / SECONDS;
      redraw();
      await painted();
      past = (performance.now() - began) / 1000;
    }
    [share, playing, player.textContent] = [1, false, "Play"];
    redraw();
  }

  /** A path as far as it has come at this moment: all share the way from noise to data evenly among their calls. */
  function soFar(path) {
    const place = share * (path.length - 1), last = Math.floor(place), rest = place - last;
    const gone = path.slice(0, last + 1);
    if (rest) gone.push(path[last].map((value, i) => value + rest * (path[last + 1][i] - value)));
    return gone;
  }

  function draw(pen) {
    if (!runs.length) return;
    pen.blobs(CLEAN, (label) => label === LABEL ? 0.3 : 0.1);
    const points = Array.from({ length: SHOWN }, (_, i) => (x) => [x[2 * i], x[2 * i + 1]]);
    for (const point of points) pen.line(exact.map(point), pen.faint, 3, 0.45);
    rows.forEach(({ sampler }, i) => {
      if (!model.get(sampler)) return;
      for (const point of points) {
        const path = soFar(runs[i].map(point)), corners = CORNERS[sampler];
        pen.line(path, COLORS[i], 1.2, sampler === "ddpm" ? 0.4 : 0.9);
        if (path.length < 27) { for (const [x, y] of path.slice(1, -1)) pen.mark(x, y, COLORS[i], 1.8, corners); }
        pen.mark(...path.at(-1), COLORS[i], 4, corners);
      }
    });
    for (const point of points) {
      pen.mark(...point(exact[0]), pen.ink, 2.5);
      pen.ring(...point(exact.at(-1)), 7, pen.ink, 1.5);
    }
  }

  const player = button("Play", play, { class: "pixel-main" });
  whenever(model, ["seed"], restart);
  whenever(model, ["num_steps", ...RUNNERS], race);
  el.classList.add("pixel-panel");
  const told =
    "A point starts at a dot, in the noise. The broad grey line is its exact path to a class, and ends in a ring.";
  const figure = element("figure", { style: "flex-grow: 2" }, picture, element("figcaption", {}, told));
  const controls = element(
    "fieldset",
    { style: "flex: 1 1 200px" },
    element(
      "legend",
      { style: "display: block" },
      `mean distance of ${COUNT} points from their exact ends; bars grow with its logarithm`,
    ),
    ...rows.map(({ line }) => line),
    said,
  );
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      slider(model, "num_steps", "calls", { min: 1, max: MOST }),
      seed(model, "seed"),
      player,
    ),
    element("div", { class: "pixel-sides" }, figure, controls),
  );
  restart();
  return () => {
    playing = false;
    stop();
  };
}

/** A sampler's box to tick, its mark, and its distance, with a bar as long as the distance's logarithm. */
function row(model, sampler, color) {
  const box = checkbox(model, sampler, TITLES[sampler]),
    number = element("span", { class: "pixel-number", style: "margin-left: auto" });
  box.append(element("span", { "aria-hidden": "true", style: `color: ${color}` }, MARKS[sampler]));
  const bar = element("div", { style: `height: 6px; border-radius: 2px; background: ${color}` });
  const head = element("div", { style: "display: flex; align-items: center" }, box, number);
  const show = (distance) => {
    number.textContent = distance.toFixed(3);
    const share = Math.log(distance / LEAST) / Math.log(FARTHEST / LEAST);
    bar.style.width = `${100 * Math.min(Math.max(share, 0.01), 1)}%`;
    bar.style.opacity = model.get(sampler) ? 1 : 0.3;
  };
  const line = element("div", { style: "margin: 0.3rem 0 0.6rem" }, head, bar);
  return { sampler, line, show, told: () => `${TITLES[sampler]} ${number.textContent}` };
}

export default { render };
