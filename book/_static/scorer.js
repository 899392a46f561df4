// The order of what a search finds: chapters first, then pages that explain, and last the reference and the solutions.
// Sphinx puts this before its own script, which then takes it in place of its default; the other numbers are its own.

const asked = () => (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();

/** A chapter named after what is asked for comes first, then the others in their order. */
function chapterScore(page) {
  const [number, name] = page.replace("chapters/", "").split("_");
  return 300 + (asked().includes(name) ? 50 : 0) - Number(number) / 100;
}

self.Scorer = {
  score: ([page, , , , score]) => {
    if (page.startsWith("chapters/")) return score + chapterScore(page);
    if (page.startsWith("book/solutions/")) return score - 300;
    return page.startsWith("book/api") ? score - 150 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
