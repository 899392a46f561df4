"""Whether a page comes to rest where a link to a heading of it leads."""

NEAR = 3
"""Pixels between a heading and the place below the page's upper edge where it should end."""
WIDE, NARROW = 1280, 360
SHARED = {
    "book/intro": "what-you-need-to-know",
    "chapters/01_pixels": "summary",
    "chapters/02_noise": "summary",
    "chapters/03_oracle": "summary",
    "chapters/04_unet": "summary",
    "chapters/05_training": "summary",
    "chapters/06_guidance": "summary",
    "chapters/07_ddim": "summary",
    "chapters/08_palette": "summary",
    "chapters/09_evaluation": "summary",
    "book/one_call": "what-came-of-it",
}
"""Pages with widgets, and on each a heading below them."""
WITH_WIDGETS = tuple(SHARED)

CONTENTS = "#pst-page-toc-nav a[href^='#']"
SETTLED = """async () => {
  const jumps = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const waiting = () => [...document.querySelectorAll(".pixel-widget:not([data-live])")]
    .filter(e => e.checkVisibility());  // one in an answer that waits for a guess stays a picture
  if (jumps && !waiting().length) return;
  const begun = performance.now();
  for (let still = 0, last; still < 3 && performance.now() - begun < 60_000; ) {
    await new Promise(requestAnimationFrame);
    const near = waiting()
      .some(e => e.getBoundingClientRect().top < innerHeight + 600 && e.getBoundingClientRect().bottom > -600);
    const here = `${scrollY} ${document.documentElement.scrollHeight}`;
    still = !near && here === last ? still + 1 : 0;
    last = here;
  }
}"""
"""Waits until the widgets near the screen are alive and nothing moves; where nothing can, not at all."""
AWAY = """heading => {
  const wanted = parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop);
  const below = document.documentElement.scrollHeight - innerHeight - scrollY;
  const away = heading.getBoundingClientRect().top - wanted;
  return away > 0 && below < 2 ? 0 : Math.round(away);
}"""
"""How far a heading is below the place where it should be; the last ones of a page cannot get up to its edge."""
ARRIVED = f"""async heading => {{
  for (const begun = performance.now(); ; await new Promise(requestAnimationFrame)) {{
    await ({SETTLED})();
    const away = ({AWAY})(heading);
    if (Math.abs(away) <= {NEAR} || performance.now() - begun > 20_000) return away;
  }}
}}"""
"""The same, when the page has come to rest there. On a busy machine, frames pass before a smooth scroll begins."""
CLICK_EACH = f"""async links => {{
  const found = [];
  for (const link of document.querySelectorAll(links)) {{
    link.click();
    found.push([link.hash, await ({ARRIVED})(document.getElementById(decodeURIComponent(link.hash.slice(1))))]);
  }}
  return found;
}}"""
LOOK = f"""async name => {{
  await new Promise(first => requestAnimationFrame(() => requestAnimationFrame(first)));
  return [[name, await ({ARRIVED})(document.getElementById(name))]];
}}"""
"""A page scrolls to its fragment when it draws its first frame, which on a busy machine comes after `load`."""


def miss(places):
    """The headings that ended elsewhere, each by how many pixels."""
    return {name: away for name, away in places if abs(away) > NEAR}
