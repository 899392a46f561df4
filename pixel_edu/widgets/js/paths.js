// Paths of the oracle: a start that can be dragged, and the whole way from it to the data, from the exact formula.

import { TITLES } from "./facts.js";
import { RING } from "./mixture.js";
import { noiseIn } from "./oracle.js";
import { COLORS, plane } from "./plane.js";
import { Generator } from "./random.js";
import { SAMPLERS } from "./samplers.js";
import { cosine } from "./schedules.js";
import { button, choice, element, put, seed, status, whenever } from "./ui.js";

/** Chapter 3's data, as pixel_edu/widgets/paths.py. */
export const DATA = {
  line: { centers: [[-1], [1]], spread: 0, labels: [0, 0] },
  ring: {
    centers: RING.blobs.map(({ x, y }) => [x, y]),
    spread: RING.spread,
    labels: RING.blobs.map(({ label }) => label),
  },
};
export const NOTHING = 3, MORE = 160, MOST = 1600;
const NAMES = {
  line: ["−1", "+1"],
  ring: ["on the right", "above right", "above left", "on the left", "below left", "below right"],
};
const AWAY = { line: "between the values", ring: "outside the blobs" };
const CALLS = { 1: "1", 3: "3", 10: "10", 50: "50" };
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const REACH = 2.6, FARTHEST = 2.5, CLOSE = 0.05, SHOWN = 40;
/** Where the line's timesteps begin and end in the plane, and how far the bars at its end go. */
const LEFT = -2.2, RIGHT = 1.6, BAR = 0.9;

/**
 * Where points are before the first call and after each.
 *
 * @param {{data: string, label: number, sampler: string, num_steps: number}} settings
 * @param {Float64Array} starts
 * @param {Generator} generator of a stochastic sampler's noise
 */
export async function walk(schedule, { data, label, sampler, num_steps }, starts, generator) {
  const { centers, spread, labels } = DATA[data], moments = [starts];
  const mine = data === "line" || label === NOTHING ? centers : centers.filter((_, i) => labels[i] === label);
  const predictEps = (x, t) => noiseIn(x, mine, spread, schedule.level(t));
  const drawEps = (count) => normal(generator, count);
  for await (const { x } of SAMPLERS[sampler](predictEps, schedule, starts, num_steps, drawEps)) moments.push(x);
  return moments;
}

/** The path from a start: on the line from x, on the ring from (x, y). */
export function pathOf(schedule, settings) {
  const { data, x, y, seed } = settings;
  return walk(schedule, settings, Float64Array.from(data === "line" ? [x] : [x, y]), new Generator(seed));
}

/** The paths from as many random starts as `crowd` says. */
export function crowdOf(schedule, settings) {
  const { data, crowd, seed } = settings, generator = new Generator(seed);
  return walk(schedule, settings, normal(generator, crowd * DATA[data].centers[0].length), generator);
}

/** Normal numbers, as many as one likes: torch.randn gives the same where a multiple of 16 is asked for. */
function normal(generator, count) {
  return generator.normal(16 * Math.ceil(count / 16)).slice(0, count);
}

/** What lies at a place of the clean data: the number of a blob, "average", or "nothing". */
export function foundAt(data, place) {
  const { centers, spread } = DATA[data];
  const far = centers.map((center) => Math.hypot(...center.map((value, k) => place[k] - value)));
  const nearest = far.indexOf(Math.min(...far));
  if (far[nearest] <= (spread ? 3 * spread : CLOSE)) return nearest;
  return Math.hypot(...place) <= CLOSE ? "average" : "nothing";
}

/** A number as prose writes it: two decimals, and a true minus. */
const told = (value) => (Math.abs(value) < 0.005 ? 0 : value).toFixed(2).replace("-", "−");
const place = (point) => point.length === 1 ? told(point[0]) : `(${point.map(told).join(", ")})`;
const percent = (share) => `${Math.round(100 * share)} %`;

/** Where a path leads, in words. */
export function inWords({ data, label, sampler, num_steps }, start, end) {
  const found = foundAt(data, end), whole = data === "line" ? "the two values" : "the blobs";
  const there = found === "average"
    ? `the average of ${label === NOTHING || data === "line" ? whole : `class ${label}`}, where no data are`
    : found === "nothing"
    ? AWAY[data]
    : data === "line"
    ? `the value ${NAMES.line[found]}`
    : `in the blob ${NAMES.ring[found]}, of class ${DATA.ring.labels[found]}`;
  const asked = num_steps === 1
    ? `one call of ${TITLES[sampler]} leads`
    : `${num_steps} calls of ${TITLES[sampler]} lead`;
  return `From ${place(start)}, ${asked} to ${place(end)}: ${there}.`;
}

/** Where many ends lie: shares by the values of the line, or by the classes of the ring. */
export function sharesOf(data, points) {
  const size = DATA[data].centers[0].length, count = points.length / size, shares = {};
  for (let i = 0; i < points.length; i += size) {
    const found = foundAt(data, Array.from(points.slice(i, i + size)));
    const name = typeof found === "string" ? found : data === "line" ? NAMES.line[found] : DATA.ring.labels[found];
    shares[name] = (shares[name] ?? 0) + 1 / count;
  }
  return shares;
}

/** The same, in words. */
export function crowdInWords(data, points) {
  const shares = sharesOf(data, points), count = points.length / DATA[data].centers[0].length;
  const where = {
    "−1": "at −1",
    "+1": "at +1",
    0: "in class 0",
    1: "in class 1",
    2: "in class 2",
    average: "at the average",
    nothing: AWAY[data],
  };
  const said = Object.entries(where).filter(([name]) => shares[name]);
  return `Of ${count} random starts ${said.map(([name, at]) => `${percent(shares[name])} end ${at}`).join(", ")}.`;
}

function render({ model, el }) {
  const schedule = cosine(), said = status(), { picture, redraw, stop } = plane(REACH, draw);
  const traits = ["data", "x", "y", "num_steps", "sampler", "label", "seed", "crowd"];
  const chosen = () => Object.fromEntries(traits.map((trait) => [trait, model.get(trait)]));
  let path = [], many = [], stops = [], words = "";

  async function walkOne() {
    path = await pathOf(schedule, chosen());
    tell();
  }

  async function walkAll() {
    const settings = chosen(), line = settings.data === "line";
    many = settings.crowd ? await crowdOf(schedule, settings) : [];
    words = many.length ? `\n${crowdInWords(settings.data, many.at(-1))}` : "";
    stops = schedule.timesteps(settings.num_steps);
    classes.hidden = line;
    [more.disabled, none.disabled] = [settings.crowd >= MOST, !settings.crowd];
    caption.textContent = line
      ? "Time goes from the noise, left, to clean data, right. Drag the start up or down."
      : "The start may be anywhere in the plane: drag it. Rings hold most of each blob, coloured by class.";
    await walkOne();
  }

  function tell() {
    const settings = chosen(), [start, end] = [path[0], path.at(-1)].map((point) => Array.from(point));
    const about = inWords(settings, start, end);
    said.textContent = about + words;
    picture.setAttribute("aria-label", `Paths from noise to data. ${about}${words}`);
    const [x, y] = settings.data === "line" ? [LEFT, settings.x] : [settings.x, settings.y];
    handle.style.left = `${50 + 50 * x / REACH}%`;
    handle.style.top = `${50 - 50 * y / REACH}%`;
    handle.setAttribute("aria-label", `Start of the path, at ${place(start)}: arrow keys move it, with Shift slowly.`);
    redraw();
  }

  function draw(pen) {
    if (path.length) (model.get("data") === "line" ? drawLine : drawRing)(pen);
  }

  function drawLine(pen) {
    const across = (i) => LEFT + (stops[0] - stops[i]) / (stops[0] + 1) * (RIGHT - LEFT);
    for (const value of [-1, 0, 1]) {
      pen.line([[LEFT, value], [RIGHT, value]], pen.faint, 1, value ? 0.8 : 0.3);
      pen.words(["−1", "0", "+1"][value + 1], RIGHT + BAR, value + 0.2, "right", pen.faint);
    }
    for (let j = 0; j < Math.min(model.get("crowd"), SHOWN); j++) {
      pen.line(many.map((x, i) => [across(i), x[j]]), COLORS[1], 1, 0.4);
    }
    const ends = many.length ? sharesOf("line", many.at(-1)) : {};
    for (const [name, at] of [["−1", -1], ["average", 0], ["+1", 1]]) {
      if (ends[name]) pen.line([[RIGHT + 0.1, at], [RIGHT + 0.1 + (BAR - 0.1) * ends[name], at]], COLORS[1], 9);
    }
    pen.words("noise", LEFT, -REACH + 0.2, "left", pen.faint);
    pen.words("clean data", RIGHT, -REACH + 0.2, "right", pen.faint);
    drawPath(pen, path.map((x, i) => [across(i), x[0]]));
  }

  function drawRing(pen) {
    const { centers, spread, labels } = DATA.ring, ends = many.at(-1) ?? [];
    centers.forEach(([x, y], i) => pen.ring(x, y, 2 * spread * pen.unit, COLORS[labels[i]], 2));
    for (let i = 0; i < Math.min(ends.length, 2 * SHOWN); i += 2) {
      pen.line(many.map((x) => [x[i], x[i + 1]]), pen.faint, 1, 0.3);
    }
    for (let i = 0; i < ends.length; i += 2) {
      const found = foundAt("ring", [ends[i], ends[i + 1]]);
      pen.mark(ends[i], ends[i + 1], typeof found === "number" ? COLORS[labels[found]] : pen.faint, 1.8);
    }
    drawPath(pen, path.map(([x, y]) => [x, y]));
  }

  function drawPath(pen, points) {
    pen.line(points, pen.ink, 2.2);
    if (points.length < 12) { for (const [x, y] of points.slice(1, -1)) pen.mark(x, y, pen.ink, 2.5); }
    pen.mark(...points.at(-1), pen.ink, 5);
  }

  /** Start at a place of the plane, as far as it may go. */
  function startAt(x, y) {
    const within = (value) => Math.round(100 * Math.min(Math.max(value, -FARTHEST), FARTHEST)) / 100;
    if (model.get("data") === "line") model.set("x", within(y));
    else {
      model.set("x", within(x));
      model.set("y", within(y));
    }
    model.save_changes();
  }

  const handle = element("div", {
    class: "pixel-handle",
    tabindex: 0,
    role: "application",
    "data-lm-suppress-shortcuts": "true", // in JupyterLab arrow keys would choose another cell
    onkeydown: (event) => {
      if (!(event.key in KEYS) || event.ctrlKey || event.altKey || event.metaKey) return;
      const [right, up] = KEYS[event.key].map((way) => way * (event.shiftKey ? 0.01 : 0.1));
      const [x, y] = [model.get("x"), model.get("y")];
      if (model.get("data") === "line") startAt(0, x + right + up);
      else startAt(x + right, y + up);
      event.preventDefault();
    },
  });
  const stage = element("div", { class: "pixel-stage" }, picture, handle);
  const pointed = (event) => {
    const { left, top, width } = picture.getBoundingClientRect(), half = width / 2;
    startAt((event.clientX - left - half) / half * REACH, (half - event.clientY + top) / half * REACH);
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button || (event.pointerType === "touch" && event.target !== handle)) return; // elsewhere, a finger scrolls
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true, focusVisible: false });
    pointed(event);
  });
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) pointed(event);
  });
  picture.addEventListener("click", pointed); // and a tap puts the start there

  const more = button(`Add ${MORE} random starts`, () => put(model, "crowd", model.get("crowd") + MORE), {
    class: "pixel-main",
  });
  const none = button("Remove them", () => put(model, "crowd", 0));
  const caption = element("figcaption");
  const classes = choice(model, "label", "class", { [NOTHING]: "all", 0: "0", 1: "1", 2: "2" }, Number);
  whenever(model, ["x", "y"], walkOne);
  whenever(model, ["data", "num_steps", "sampler", "label", "seed", "crowd"], walkAll);
  el.classList.add("pixel-panel", "pixel-paths");
  const controls = element(
    "fieldset",
    { style: "flex: 1 1 200px" },
    choice(model, "data", "data", { line: "two numbers", ring: "ring of blobs" }),
    classes,
    choice(model, "num_steps", "calls", CALLS, Number),
    choice(model, "sampler", "sampler", { ddim: TITLES.ddim, ddpm: TITLES.ddpm }),
    seed(model, "seed"),
    element("div", { class: "pixel-row" }, more, none),
  );
  const figure = element("figure", { style: "flex-grow: 2" }, caption, stage, said);
  el.append(element("div", { class: "pixel-sides" }, figure, controls));
  walkAll();
  return stop;
}

export default { render };
