// Real or drawn? Pairs of sprites of one class: say which of the two the network drew, and see how often you can.

import { interval } from "./binomial.js";
import { CLASSES, SIZE } from "./facts.js";
import { paint, tilesOf } from "./pixels.js";
import { Generator } from "./random.js";
import { button, canvas, element, put, status, whenever } from "./ui.js";

const SIDES = ["left", "right"];
const KEYS = { ArrowLeft: 0, ArrowRight: 1 };

/** The numbers 0 .. count - 1 in an order by chance (Fisher and Yates). */
export function shuffled(count, dice) {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(dice.uniform() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/**
 * The pairs of a game: each has a label, the tiles of a real and of a drawn sprite, and the side of the drawn one.
 *
 * The sprites are shuffled once for as many games as there are sprites for, and each of these takes others.
 *
 * @param {number} seed
 * @param {number} pairs a multiple of the number of classes
 * @param {number} each how many sprites of a class there are of each kind
 */
export function deal(seed, pairs, each) {
  const share = pairs / CLASSES.length, games = Math.floor(each / share), first = seed % games * share;
  const deck = new Generator(Math.floor(seed / games)), dice = new Generator(seed);
  const found = CLASSES.flatMap((_, label) => {
    const [real, drawn] = [label, label + CLASSES.length].map((row) =>
      shuffled(each, deck).slice(first, first + share).map((place) => row * each + place)
    );
    return real.map((tile, i) => ({ label, real: tile, drawn: drawn[i] }));
  });
  return shuffled(pairs, dice).map((i) => ({ ...found[i], side: dice.uniform() < 0.5 ? 0 : 1 }));
}

/** A share as prose writes it. */
const percent = (share) => `${Math.round(100 * share)} %`;

/** What a count says, in words; `judge` is a network's share and its interval, or null. */
export function verdict(right, of, judge) {
  const [low, high] = interval(right, of);
  const coin = low > 0.5
    ? "A coin’s 50 % lies below: you can tell them."
    : high < 0.5
    ? "A coin’s 50 % lies above: you see a difference, and take it the wrong way round."
    : "A coin’s 50 % lies in it: this may be luck.";
  const told = `You told ${right} of ${of} pairs, ${percent(right / of)}; ` +
    `the 95 % interval is ${percent(low)} to ${percent(high)}. ${coin}`;
  if (!judge) return told;
  const [value, from, to] = judge;
  const sure = value < low || value > high ? "" : ` It lies in your interval: ${of} pairs cannot say who is better.`;
  return `${told} The network of the two-sample test told ${percent(value)} of such pairs ` +
    `(${percent(from)} to ${percent(to)}), as this notebook computed.${sure}`;
}

/** One sprite of a pair, to press; what it is, drawn or real, stands below once that may be known. */
function card(side, onchoose) {
  const picture = canvas(SIZE, SIZE, `${side} sprite`), caption = element("figcaption");
  const press = button(picture, onchoose, { class: "pixel-card" });
  const show = (bytes) => {
    paint(picture, bytes);
    tell("");
  };
  const tell = (is) => {
    press.dataset.is = is;
    press.setAttribute("aria-label", is ? `${side} sprite: ${is}` : `${side} sprite`);
    press.setAttribute("aria-disabled", String(is !== "")); // still in the way of the Tab key: it says what it was
    caption.textContent = is || side;
  };
  return { figure: element("figure", {}, press, caption), show, tell };
}

async function render({ model, el }) {
  const tiles = await tilesOf(Uint8Array.from(atob(model.get("sheet")), (letter) => letter.charCodeAt(0)));
  const each = tiles.length / (2 * CLASSES.length), score = element("span"), where = element("span");
  const cards = SIDES.map((side, i) => card(side, () => choose(i))), said = status(), result = status();
  result.classList.add("pixel-result");
  const next = button("Next pair", goOn, { class: "pixel-main" });
  const stage = element(
    "div",
    { class: "pixel-cards", role: "group", tabindex: -1, "data-lm-suppress-shortcuts": "true" },
    ...cards.map(({ figure }) => figure),
  );
  let dealt, at, right, open;

  function begin() {
    dealt = deal(model.get("seed"), model.get("pairs"), each);
    [at, right] = [0, 0];
    ask("Press it, or a key: ← or →.");
  }

  function ask(words = "") {
    const { label, real, drawn, side } = dealt[at], name = CLASSES[label].replace("_", " ");
    cards.forEach(({ show }, i) => show(tiles[i === side ? drawn : real]));
    where.textContent = `Pair ${at + 1} of ${dealt.length}: ${name}`;
    stage.setAttribute("aria-label", `${where.textContent}. Which one did the network draw?`);
    score.textContent = at ? `${right} of ${at} right` : "";
    [said.textContent, result.textContent, open, next.disabled] = [words, "", true, true];
  }

  function choose(i) {
    if (!open) return;
    const { side } = dealt[at], last = at === dealt.length - 1;
    [open, next.disabled] = [false, false];
    right += i === side;
    cards.forEach(({ tell }, j) => tell(j === side ? "drawn" : "real"));
    score.textContent = `${right} of ${at + 1} right`;
    said.textContent = `${i === side ? "Right" : "Wrong"}: the ${SIDES[side]} one is drawn. ${score.textContent}.`;
    if (last) result.textContent = verdict(right, dealt.length, model.get("judge"));
    next.textContent = last ? "Again, with other pairs" : "Next pair";
    next.focus();
  }

  function goOn() {
    if (at === dealt.length - 1) put(model, "seed", model.get("seed") + 1);
    else {
      at += 1;
      ask();
    }
    next.textContent = "Next pair";
    queueMicrotask(() => stage.focus()); // when its label is that of the new pair
  }

  el.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS) || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    choose(KEYS[event.key]);
    event.preventDefault();
  });
  whenever(model, ["seed", "pairs"], begin);
  el.classList.add("pixel-panel");
  el.append(
    element("p", { class: "pixel-question" }, "Which one did the network draw?"),
    element("div", { class: "pixel-score" }, where, score),
    stage,
    said,
    result,
    element("div", { class: "pixel-row" }, next),
  );
  begin();
}

export default { render };
