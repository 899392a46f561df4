"""Words that cannot be told from what is behind them."""

FAINT = """selector => {
  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = rgb => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
  const read = colour => colour.match(/[\\d.]+/g).map(Number);
  const behind = node => {
    for (; node; node = node.parentElement) {
      const colour = read(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.9) return colour;
    }
    return [255, 255, 255];
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const seen = [...document.querySelectorAll(selector)]
    .filter(e => !e.closest("[aria-hidden=true], svg, figure.pixel-figure, .headerlink"))
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) && e.offsetParent);
  return seen.map(e => [ratio(light(read(getComputedStyle(e).color)), light(behind(e))), e.textContent.slice(0, 40)])
    .filter(([value]) => value < 4.5).map(([value, text]) => value.toFixed(2) + " " + text);
}"""


def too_faint(page, selector):
    """The words in elements of a page that stand out by less than 4.5 : 1, each with its contrast."""
    return page.evaluate(FAINT, selector)
