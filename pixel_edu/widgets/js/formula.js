// An exercise in the page: the reader writes one line, sees what it draws, and the check's own cases judge it.

import { FormulaError, read } from "./expression.js";
import { SIZE } from "./facts.js";
import { judge } from "./judge.js";
import { NUMBERS, paint, toBytes } from "./pixels.js";
import { spriteNoise } from "./random.js";
import { button, canvas, element, follow, put, status } from "./ui.js";

const HELP = "As in Python: + - * / ** and ( ), and sqrt, exp, log. Enter checks it.";

/** What the reader wrote, kept from one visit to the next where the browser allows it. */
const notes = {
  read(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  write(name, text) {
    try {
      localStorage.setItem(name, text);
    } catch { /* then it is not kept */ }
  },
};

/** A text with code between backticks, as nodes. */
function words(text) {
  return text.split("`").map((part, i) => i % 2 ? element("code", {}, part) : part);
}

/** The numbers of an image that came as bytes: red, green and blue of each pixel. */
function numbers(code) {
  const bytes = atob(code), plane = SIZE * SIZE;
  return Float64Array.from({ length: NUMBERS }, (_, i) => bytes.charCodeAt(3 * (i % plane) + i / plane) / 127.5 - 1);
}

/** Pictures of what a formula makes of the scenes, and how to draw them. */
function picturesOf({ images, seed, shows, seen: [share, rest], caption }, names) {
  const parts = [...images.map(numbers), spriteNoise([seed])(NUMBERS)];
  const mixed = (mix) =>
    Float64Array.from({ length: NUMBERS }, (_, i) => mix.reduce((sum, much, part) => sum + much * parts[part][i], 0));
  const added = mixed(rest);
  const pictures = shows.map(([name, given]) => {
    const inputs = names.map((each) => Array.isArray(given[each]) ? mixed(given[each]) : given[each]);
    return { name, inputs, shown: canvas(SIZE, SIZE, name) };
  });
  const draw = (formula) => {
    for (const { name, inputs, shown } of pictures) {
      const x = added.map((more, i) => more + share * formula(inputs.map((input) => input[i] ?? input)));
      paint(shown, toBytes(x));
      const ends = [Math.min(...x), Math.max(...x)];
      const range = ends.every(Number.isFinite) ? ends.map((end) => end.toFixed(1)).join(" to ") : "not finite";
      shown.setAttribute("aria-label", `${name}: a sprite as the formula makes it, its numbers ${range}`);
    }
  };
  const tiles = pictures.map(({ name, shown }) => element("figure", {}, shown, element("figcaption", {}, name)));
  return {
    draw,
    place: element(
      "div",
      {},
      element("div", { class: "pixel-tiles", style: `--tiles: ${tiles.length}` }, ...tiles),
      element("p", {}, caption),
    ),
  };
}

function render({ model, el }) {
  const task = model.get("task"), scenes = model.get("scenes"), note = `pixel-formula-${model.get("exercise")}`;
  const pictures = scenes && picturesOf(scenes, task.names), said = status();
  const hint = element("p", { id: `hint-${Math.random().toString(36).slice(2)}`, class: "pixel-hint" });
  const field = element("textarea", {
    rows: 2,
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    "aria-label": `The formula that ${task.signature} returns`,
    "aria-describedby": hint.id,
    oninput: () => written(field.value),
    onkeydown: (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      check();
    },
  });
  const again = button("Start again", () => written(back ?? model.get("start"), back === null ? field.value : null));
  let back = null; // what the reader had before starting again

  function written(text, before = null) {
    back = before;
    again.textContent = back === null ? "Start again" : "Undo";
    said.replaceChildren();
    notes.write(note, text);
    put(model, "formula", text);
  }

  /** The formula, or what is wrong with it. */
  function understood() {
    try {
      return { formula: read(field.value, task.names) };
    } catch (error) {
      if (error instanceof FormulaError) return { error };
      throw error;
    }
  }

  function look() {
    const { formula, error } = understood();
    field.setAttribute("aria-invalid", error !== undefined);
    hint.replaceChildren(...words(error?.message ?? HELP));
    if (formula) pictures?.draw(formula);
  }

  function check() {
    const { formula, error } = understood();
    const { passed, message } = formula ? judge(formula, task) : { passed: false, message: error.message };
    tell(passed, passed && pictures ? `${message} The pictures are right now, too.` : message);
    if (!error) return;
    field.focus();
    field.setSelectionRange(error.from, error.to);
  }

  function tell(passed, message) {
    said.dataset.passed = passed;
    said.replaceChildren(element("b", {}, passed ? "✓ passed." : "✗ not yet."), " ", ...words(message));
  }

  const insert = (name) => {
    field.setRangeText(name, field.selectionStart, field.selectionEnd, "end");
    field.focus();
    written(field.value);
  };
  const names = task.names.map((name) => button(name, () => insert(name), { "aria-label": `insert ${name}` }));
  el.classList.add("pixel-panel", "pixel-formula");
  el.append(
    element("pre", {}, element("code", {}, `def ${task.signature}:\n    return`)),
    field,
    hint,
    element("div", { class: "pixel-row pixel-names" }, ...names),
    element("div", { class: "pixel-row" }, button("Check", check, { class: "pixel-main" }), again),
    said,
    ...pictures ? [pictures.place] : [],
  );
  const noted = notes.read(note);
  if (noted !== null && model.get("formula") === model.get("start")) put(model, "formula", noted);
  follow(model, "formula", (text) => {
    if (field.value !== text) field.value = text;
    look();
  });
  const { formula } = understood();
  if (formula && judge(formula, task).passed) tell(true, "You wrote this on an earlier visit.");
}

export default { render };
