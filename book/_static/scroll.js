// A table, a formula or a line of code that is wider than the page scrolls by itself: then it can be reached with the Tab key, too.
const WIDE = ".bd-article :is(table, pre, div.math)";

function reachable() {
  for (const part of document.querySelectorAll(WIDE)) {
    const scrolls = part.scrollWidth > part.clientWidth + 1;
    if (scrolls) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
    if (!part.matches("table, div.math")) continue;
    part.classList.toggle("scrolls", scrolls);
    fade(part);
  }
}

/** The edge of a table or a formula fades while more of it is to come. */
function fade(part) {
  part.classList.toggle("more", part.scrollLeft + part.clientWidth < part.scrollWidth - 1);
}

addEventListener("scroll", ({ target }) => target.matches?.(".scrolls") && fade(target), true);
addEventListener("load", reachable);
addEventListener("resize", reachable);
reachable();

// A link to a heading ends at that heading, though widgets and formulas above it grow while the page opens or scrolls.
// It is held until the page has been quiet for a while, or until the reader moves.
const QUIET = 2000;
let held = null;
let release;

function hold(name) {
  held = document.getElementById(decodeURIComponent(name));
  stay();
}

function stay() {
  clearTimeout(release);
  release = setTimeout(letGo, QUIET);
}

function letGo() {
  held = null;
}

document.addEventListener("click", ({ target }) => {
  const link = target.closest("a[href^='#']");
  if (link) hold(link.hash.slice(1));
});
for (const act of ["wheel", "touchstart", "pointerdown", "keydown"]) {
  addEventListener(act, letGo, { capture: true, passive: true });
}
new ResizeObserver(() => {
  if (!held) return;
  held.scrollIntoView({ behavior: "instant" });
  stay();
}).observe(document.querySelector(".bd-article") ?? document.body);
if (performance.getEntriesByType("navigation")[0]?.type === "navigate") { // not where the browser goes back to a place
  hold(location.hash.slice(1));
  addEventListener("load", stay);
}
