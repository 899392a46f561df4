// "Predict" waits for a guess: what answers a question is hidden until the reader chose or wrote something, or asked to
// see it. The browser's own search in the page finds what is hidden, and opens it; a link into it opens it, too.
// Guesses stay in this browser, and are shown again beside the answer.

const ALL = "pixel_edu:answers"; // "shown" where a reader wants no questions
const GUESSES = `pixel_edu:guesses:${location.pathname.split("/").pop()}`;
const questions = [...document.querySelectorAll("blockquote.predict")].map((box) => {
  let place = box.nextElementSibling;
  while (place && !place.classList.contains("answer") && !place.matches("blockquote.predict, section")) {
    place = place.nextElementSibling;
  }
  return place?.classList.contains("answer") ? { box, place } : null;
}).filter(Boolean);

function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // a browser that keeps nothing
  }
}

function remember(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch { /* then only this visit knows */ }
}

function guesses() {
  try {
    return JSON.parse(recall(GUESSES) ?? "{}");
  } catch {
    return {};
  }
}

function element(name, settings = {}, ...children) {
  const made = Object.assign(document.createElement(name), settings);
  made.append(...children);
  return made;
}

/** The choices that a list in the question offers, else a line to write on. */
function fields({ box, place }) {
  const list = box.querySelector("ul, ol");
  if (!list) {
    const line = element("input", { type: "text", name: "guess", required: true, autocomplete: "off" });
    return element("label", { className: "written" }, element("span", { textContent: "Your guess" }), line);
  }
  const choices = [...list.children].map((item) => {
    const radio = element("input", { type: "radio", name: "guess", required: true, value: item.textContent.trim() });
    return element(
      "label",
      {},
      radio,
      element("span", {}, ...(item.querySelector("p") ?? item).cloneNode(true).childNodes),
    );
  });
  list.hidden = true;
  const set = element("fieldset", {}, element("legend", { textContent: "Your guess" }), ...choices);
  set.id = `${place.id}-choices`;
  return set;
}

function ask(question) {
  const { place } = question;
  const skip = element("button", { type: "button", textContent: "Show without a guess", className: "skip" });
  const buttons = element("p", {}, element("button", { textContent: "Compare" }), skip);
  const form = element("form", { className: "guess" }, fields(question), buttons);
  form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-controls", place.id));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const guess = new FormData(form).get("guess").trim();
    remember(GUESSES, JSON.stringify({ ...guesses(), [place.id]: guess }));
    show(question, guess, true);
  });
  skip.addEventListener("click", () => {
    remember(GUESSES, JSON.stringify({ ...guesses(), [place.id]: "" }));
    show(question, "", true);
  });
  place.addEventListener("beforematch", () => show(question));
  question.box.append(form);
  question.form = form;
  place.hidden = true;
  place.setAttribute("hidden", "until-found"); // where a browser knows no such value, it is hidden all the same
}

/** Open what answers a question, and go there if the reader asked for it. */
function show({ box, place, form }, guess = "", go = false) {
  form?.remove();
  place.removeAttribute("hidden");
  if (guess) {
    box.querySelector("ul[hidden], ol[hidden]")?.removeAttribute("hidden");
    const told = element("p", { className: "guessed" }, element("b", { textContent: "Your guess: " }), guess);
    box.insertBefore(told, box.querySelector(".waiting"));
  }
  if (!go) return;
  place.tabIndex = -1;
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", guess ? `The answer. Your guess was: ${guess}` : "The answer");
  place.focus({ preventScroll: true });
}

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const question = questions.find(({ place }) => place.contains(target));
  if (question?.place.hidden === false || !question) return;
  show(question);
  target.scrollIntoView({ behavior: "instant" });
}

/** Below the first question of a page: what happens here, and the choice to see everything. */
function explain(asked) {
  const button = element("button", {
    type: "button",
    textContent: asked ? "Show all answers, always" : "Wait for my guesses",
  });
  const words = asked
    ? "What follows waits for your guess. Nothing is sent or counted. "
    : "What follows each question is shown at once. ";
  button.addEventListener("click", () => {
    remember(ALL, asked ? "shown" : "asked");
    if (!asked) return location.reload();
    questions.filter(({ place }) => place.hidden).forEach((question) => show(question));
    note.replaceWith(explain(false));
    questions[0].box.querySelector(".waiting button").focus();
  });
  const note = element("p", { className: "waiting" }, words, button);
  return note;
}

if (questions.length) {
  const asked = recall(ALL) !== "shown", known = guesses();
  for (const question of questions) {
    const guess = known[question.place.id];
    if (asked && guess === undefined) ask(question);
    else show(question, guess);
  }
  questions[0].box.append(explain(asked));
  addEventListener("hashchange", openTarget);
  openTarget();
}
