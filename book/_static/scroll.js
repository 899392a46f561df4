// A table or a line of code that is wider than the page scrolls by itself: then it can be reached with the Tab key, too.
const WIDE = ".bd-article :is(table, pre, div.math, mjx-container)";

function reachable() {
  for (const part of document.querySelectorAll(WIDE)) {
    if (part.scrollWidth > part.clientWidth + 1) part.tabIndex = 0;
    else part.removeAttribute("tabindex");
  }
}

addEventListener("load", reachable);
addEventListener("resize", reachable);
reachable();
