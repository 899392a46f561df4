// A training that runs in the page: a small network learns six blobs, and draws points while it learns.

import { curvePlot } from "./curves.js";
import { arrived, classOf, drawPoints, examples, leastLoss, OPERATIONS, STEPS, Training } from "./learner.js";
import { RING } from "./mixture.js";
import { COLORS, plane } from "./plane.js";
import { button, calm, checkbox, choice, element, seed, status, whenever } from "./ui.js";

/** Milliseconds of each frame that may go to training: what is left is the page's. */
const SLICE = 10;
/** The points are drawn anew, and the loss is shown as a mean, every so many steps. */
const EVERY = 25, WINDOW = 50;
/** The same for who wants less motion. */
const SELDOM = 500;
const REACH = 1.7, CORNERS = [0, 4, 3];
const RATES = { 0.0002: "0.0002, too small", 0.02: "0.02, good", 2.5: "2.5, too large" };

/** Bring the means of the last losses, of as many as there are up to `WINDOW`, up to the newest loss. */
export function follow(means, losses) {
  for (let i = means.length; i < losses.length; i++) {
    const last = losses.slice(Math.max(i + 1 - WINDOW, 0), i + 1);
    means.push(last.reduce((sum, loss) => sum + loss, 0) / last.length);
  }
}

/** A loss as prose writes it. */
export function inWords(loss) {
  return loss < 10 ? loss.toFixed(3) : Number.isFinite(loss) ? Math.round(loss).toLocaleString("en") : "not a number";
}

/** Gives one frame's share to a run, up to the next step at which its points are drawn: milliseconds that it took. */
export function slice(run, every, now = () => performance.now()) {
  const began = now();
  let took;
  do {
    run.advance();
    took = now() - began;
  } while (run.step % every && took < SLICE && Number.isFinite(run.losses.at(-1)));
  return took;
}

function render({ model, el }) {
  const least = leastLoss(),
    data = examples(180),
    said = status(),
    count = element("div", { class: "pixel-score", style: "font-size: 0.92em" });
  const { picture, redraw, stop } = plane(REACH, draw);
  const curve = curvePlot({
    title: `loss, mean of ${WINDOW} steps`,
    x: { range: [0, STEPS], ticks: [0, 1000, 2000] },
    y: { range: [0, 1], ticks: [0, 0.25, 0.5, 0.75, 1] },
    legend: true,
  });
  curve.canvas.style.cursor = "default";
  const floor = {
    name: "the least",
    values: Array(STEPS + 1).fill(least),
    color: "--ink",
    dash: [2, 4],
    chosen: false,
  };
  let run, means, points, busy, playing = false, seen = true, going = false;

  async function begin() {
    run = new Training(model.get("learning_rate"), model.get("seed"));
    [means, busy, said.textContent] = [[], 0, ""];
    await look();
    go();
  }

  /** Draw points with the weights as they are now. */
  async function look() {
    const mine = run, drawn = await drawPoints(model.get("average") ? run.average : run.weights, run.start);
    if (mine !== run) return; // begun again meanwhile
    points = drawn;
    show();
  }

  function show() {
    follow(means, run.losses);
    const done = `step ${run.step.toLocaleString("en")} of ${STEPS.toLocaleString("en")}`;
    const at = run.step ? `loss ${inWords(means.at(-1))}` : "not trained yet";
    const share = `${Math.round(100 * arrived(points))} %`;
    count.replaceChildren(element("span", {}, done), element("span", {}, at), element("span", {}, `${share} in rings`));
    const shown = { name: "the loss", values: means, color: "--accent", dash: [], chosen: true };
    const low = least.toFixed(3);
    curve.show([floor, shown], Math.max(run.step - 1, 0), `Loss at ${done}: ${at}; the least possible is ${low}.`);
    picture.setAttribute(
      "aria-label",
      `Points that the network draws at ${done}: ${share} lie in a ring around a blob of their class.`,
    );
    toggle.textContent = playing ? "Pause" : run.step && !said.textContent ? "Go on" : "Start";
    redraw();
  }

  async function go() {
    if (going) return;
    going = true;
    while (playing && seen) {
      await new Promise(requestAnimationFrame); // none comes while the page is in the background
      if (!playing || !seen) break;
      const every = calm() ? SELDOM : EVERY, mine = run;
      busy += slice(mine, every);
      if (mine.step === STEPS || !Number.isFinite(mine.losses.at(-1))) end();
      if (!playing || mine.step % every === 0) await look();
      else if (!calm()) show();
    }
    going = false;
  }

  function end() {
    playing = false;
    const speed = Math.round(OPERATIONS * run.step / busy / 1000);
    said.textContent = run.step === STEPS
      ? `Finished. The least possible loss is ${least.toFixed(3)}. ` +
        `In each second of training this page did ${speed.toLocaleString("en")} million operations.`
      : `At step ${run.step} the loss is not a number any more: the steps are too large.`;
  }

  function press() {
    playing = !playing;
    if (playing && said.textContent) return begin(); // it had come to its end
    show();
    go();
  }

  function draw(pen) {
    if (!points) return;
    for (const { x, y, label } of RING.blobs) pen.ring(x, y, 3 * RING.spread * pen.unit, COLORS[label]);
    pen.context.globalAlpha = 0.4;
    for (const { x, y, label } of data) {
      const [left, top] = pen.at(x, y);
      pen.context.fillStyle = COLORS[label];
      pen.context.fillRect(left - 1, top - 1, 2, 2);
    }
    pen.context.globalAlpha = 1;
    for (let i = 0; i < points.length / 2; i++) {
      pen.mark(points[2 * i], points[2 * i + 1], COLORS[classOf(i)], 3, CORNERS[classOf(i)]);
    }
  }

  const toggle = button("Start", press, { class: "pixel-main" });
  const again = button("Again", () => {
    playing = true;
    begin();
  });
  whenever(model, ["learning_rate", "seed"], begin);
  whenever(model, ["average"], look);
  const watch = new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    go();
  });
  watch.observe(el);
  el.classList.add("pixel-panel");
  const told = "Small dots are the data, in rings that hold 99 % of a blob. " +
    "Marks are drawn by the network; colour and shape say which class it was asked for.";
  const right = element("div", { style: "flex: 1 1 240px; min-width: 0" }, curve.canvas, count, said);
  el.append(
    element(
      "div",
      { class: "pixel-row" },
      choice(model, "learning_rate", "learning rate", RATES, Number),
      seed(model, "seed"),
      checkbox(model, "average", "draw with averaged weights"),
      toggle,
      again,
    ),
    element(
      "div",
      { class: "pixel-sides" },
      element("figure", {}, picture, element("figcaption", {}, told)),
      right,
    ),
  );
  begin();
  return () => {
    playing = false;
    watch.disconnect();
    curve.stop();
    stop();
  };
}

export default { render };
