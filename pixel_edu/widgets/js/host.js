// Runs widgets in a page without a kernel: the part of a host that anywidget's front end needs, and no more.
//
// A place in the page holds a picture and a widget's name and state. The widget's module is loaded when the place comes
// near the screen, and takes the picture's place. Where this script does not run, the picture stays.

const folder = new URL("./", import.meta.url);

class Model {
  #state;
  #listeners = new Map();
  #changed = new Set();

  constructor(state) {
    this.#state = state;
  }

  get(name) {
    return this.#state[name];
  }

  set(name, value) {
    if (Object.is(this.#state[name], value)) return;
    this.#state[name] = value;
    this.#changed.add(name);
  }

  save_changes() {
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const name of changed) for (const told of [...this.#of(`change:${name}`)]) told();
  }

  on(event, told) {
    this.#listeners.set(event, [...this.#of(event), told]);
  }

  off(event, told) {
    this.#listeners.set(event, told ? this.#of(event).filter((other) => other !== told) : []);
  }

  send() {} // nobody is there

  #of(event) {
    return this.#listeners.get(event) ?? [];
  }
}

async function mount(place) {
  const { default: widget } = await import(new URL(`${place.dataset.widget}.js`, folder));
  const el = document.createElement("div");
  await widget.render({ model: new Model(JSON.parse(place.dataset.state)), el });
  place.replaceChildren(el);
  place.dataset.live = "";
}

/** What cannot be live says why, below its picture. */
function stayPicture(place, error) {
  const said = document.createElement("p");
  said.className = "pixel-status";
  said.setAttribute("role", "status");
  said.textContent = `This stays a picture: ${error.message}.`;
  place.append(said);
  place.dataset.still = "";
}

const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    mount(target).catch((error) => stayPicture(target, error));
  }
}, { rootMargin: "600px" });
for (const place of document.querySelectorAll(".pixel-widget[data-widget]")) near.observe(place);
