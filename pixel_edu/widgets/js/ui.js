// The controls that all widgets are made of: native elements with labels, so that keys and screen readers know them.

/** An element with attributes, properties whose names begin with a dot, listeners ("onclick"), and children. */
export function element(tag, settings = {}, ...children) {
  const made = document.createElement(tag);
  if (["input", "select", "button"].includes(tag)) made.dataset.lmSuppressShortcuts = "true"; // JupyterLab has keys, too
  for (const [name, value] of Object.entries(settings)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith(".")) made[name.slice(1)] = value;
    else if (value !== false && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/**
 * A labelled slider that shows its value in words, and stays in step with a trait of the model.
 *
 * @param model the widget's model
 * @param {string} trait what it sets
 * @param {string} label
 * @param {{min: number, max: number, step?: number}} range
 * @param {(value: number) => string} words what the value is called
 */
export function slider(model, trait, label, { min, max, step = 1 }, words = String) {
  const told = element("output", { "aria-hidden": "true" }); // the slider itself says it
  const input = element("input", {
    type: "range",
    min,
    max,
    step,
    oninput: () => put(model, trait, Number(input.value)),
  });
  follow(model, trait, (value) => {
    input.value = value;
    told.textContent = words(value);
    input.setAttribute("aria-valuetext", told.textContent);
  });
  return element("label", { class: "pixel-control" }, element("span", {}, label), input, told);
}

/** A labelled choice between named options, { value: name }; `as` makes a value of the word that a select knows. */
export function choice(model, trait, label, options, as = String) {
  const entries = Object.entries(options);
  const input = element(
    "select",
    { onchange: () => put(model, trait, as(input.value)) },
    ...entries.map(([value, name]) => element("option", { value }, name)),
  );
  follow(model, trait, (value) => input.value = value);
  return element("label", { class: "pixel-control" }, element("span", {}, label), input);
}

/** A labelled box to tick, for a trait that is true or false. */
export function checkbox(model, trait, label) {
  const input = element("input", { type: "checkbox", onchange: () => put(model, trait, input.checked) });
  follow(model, trait, (value) => input.checked = value);
  return element("label", { class: "pixel-control" }, input, element("span", {}, label));
}

/** A labelled field for a whole number from 0 up, with a button for another one by chance. */
export function seed(model, trait, label = "seed") {
  const input = element("input", {
    type: "number",
    min: 0,
    max: 4294967295,
    step: 1,
    onchange: () => {
      if (input.checkValidity() && input.value !== "") put(model, trait, Number(input.value));
      else input.value = model.get(trait);
    },
  });
  follow(model, trait, (value) => input.value = value);
  const other = button("another", () => put(model, trait, Math.floor(Math.random() * 10_000)));
  other.setAttribute("aria-label", `another ${label}`);
  return element(
    "span",
    { class: "pixel-control" },
    element("label", { class: "pixel-control" }, element("span", {}, label), input),
    other,
  );
}

export function button(words, onclick, settings = {}) {
  return element("button", { type: "button", onclick, ...settings }, words);
}

/** A canvas that says what it shows; pixels stay sharp. */
export function canvas(width, height, alt) {
  return element("canvas", { width, height, role: "img", "aria-label": alt });
}

/** A line in which a screen reader hears what happens. */
export function status() {
  return element("p", { class: "pixel-status", role: "status" });
}

/** What a reader is told who asks for a sampler or a schedule that no widget has. */
export function onlyInPython(kind, name, known) {
  return `The ${kind} “${name}” is written only in Python: here, choose ${known.join(", ")}.`;
}

/** Set a trait, and tell the kernel if there is one. */
export function put(model, trait, value) {
  model.set(trait, value);
  model.save_changes();
}

/** Call with a trait's value, now and whenever it changes. */
export function follow(model, trait, told) {
  model.on(`change:${trait}`, () => told(model.get(trait)));
  told(model.get(trait));
}

/** Call after any of these traits has changed; several changes at once are one. */
export function whenever(model, traits, changed) {
  let waiting = false;
  for (const trait of traits) {
    model.on(`change:${trait}`, () => {
      if (waiting) return;
      waiting = true;
      queueMicrotask(() => {
        waiting = false;
        changed();
      });
    });
  }
}

/** Paint a canvas again when its size, the zoom or the page's theme changes; gives a function that ends this. */
export function repaint(canvas, paint) {
  const later = () => requestAnimationFrame(paint);
  const sizes = new ResizeObserver(paint), themes = new MutationObserver(later);
  sizes.observe(canvas);
  for (const place of [document.documentElement, document.body]) { // the book's theme, and JupyterLab's
    themes.observe(place, { attributeFilter: ["data-theme", "data-jp-theme-name", "data-jp-theme-light"] });
  }
  addEventListener("resize", paint); // zoom
  return () => {
    sizes.disconnect();
    themes.disconnect();
    removeEventListener("resize", paint);
  };
}

/** Whether the reader asked for less motion: then show the end at once, not the way there. */
export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Wait until the page has painted; a page in the background is not waited for. */
export function painted() {
  return new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    if (document.hidden) channel.port2.postMessage(0);
    else requestAnimationFrame(() => channel.port2.postMessage(0));
  });
}
