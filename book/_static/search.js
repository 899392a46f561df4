// The search page answers as one types. What is found, and in which order, is Sphinx's and scorer.js's to say; here it is
// listed by page, and then the sections are looked up in which the words stand, in pages of this origin.

const PAGES = 30, LOOKED_INTO = 10, SECTIONS = 3, AROUND = 70;
const root = document.documentElement.dataset.content_root ?? "./";
const texts = new Map();
let latest = 0;

function element(name, settings = {}, ...children) {
  const made = Object.assign(document.createElement(name), settings);
  made.append(...children);
  return made;
}

/** The sections of a page, innermost, with their own words. */
async function sections(file) {
  const answer = await fetch(root + file);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  page.querySelectorAll(".headerlink, script, style, svg, .cell_input, details.hide").forEach((part) => part.remove());
  page.querySelectorAll("dt, dd, li, p, td, th, pre").forEach((part) => part.append(" "));
  return [...page.querySelectorAll("article section[id]")].map((section) => {
    const heading = section.querySelector(":scope > :is(h2, h3, h4)"); // h1 is the page's, which is listed already
    const own = [...section.children].filter((part) => part !== heading && part.tagName !== "SECTION");
    const words = own.map((part) => part.textContent).join(" ").replace(/\s+/g, " ");
    return heading && { id: section.id, title: heading.textContent.trim(), words };
  }).filter(Boolean);
}

/** Where a word begins in a text, or -1: what is asked for may be its first letters. */
function place(words, term) {
  return words.search(new RegExp(`(?<![\\p{L}\\p{N}])${term.replace(/[^\p{L}\p{N}]/gu, "\\$&")}`, "iu"));
}

/** The place of a word in a text, with what stands around it and the word itself marked. */
function excerpt(words, term) {
  const at = place(words, term), [from, to] = [Math.max(0, at - AROUND), at + term.length + AROUND];
  const before = (from ? "… " : "") + words.slice(from, at).replace(/^\S*\s/, from ? "" : "$&");
  const after = words.slice(at + term.length, to).replace(/\s\S*$/, to < words.length ? " …" : "$&");
  return element("p", {}, before, element("mark", { textContent: words.slice(at, at + term.length) }), after);
}

async function lookInto(item, page, terms, known) {
  if (!texts.has(page.link)) texts.set(page.link, sections(page.link).catch(() => []));
  const found = (await texts.get(page.link)).map((section) => {
    const term = terms.find((term) => place(section.words, term) >= 0);
    const named = terms.some((term) => place(section.title, term) >= 0);
    return { ...section, term, rank: (named ? 2 : 0) + (term ? 1 : 0) };
  }).filter(({ rank }) => rank).sort((a, b) => b.rank - a.rank).slice(0, SECTIONS);
  if (known !== latest || !found.length) return;
  const list = found.map(({ id, title, words, term }) => {
    const link = element("a", { href: `${root}${page.link}#${id}`, textContent: title });
    return element("li", {}, link, ...(term ? [excerpt(words, term)] : []));
  });
  item.querySelector("ul")?.remove();
  item.append(element("ul", {}, ...list));
}

/** A title in Sphinx's index, without its tags. */
function plain(title) {
  return new DOMParser().parseFromString(title, "text/html").body.textContent;
}

/** Pages, best first, each with the sections that are named after what is asked for. */
function grouped(results) {
  const pages = new Map();
  const { docnames, titles } = Search._index;
  for (const [name, title, anchor] of results) {
    const link = `${name}.html`, main = plain(titles[docnames.indexOf(name)] ?? title);
    if (!pages.has(name)) pages.set(name, { link, title: main, named: [] });
    if (anchor) pages.get(name).named.push({ anchor, title: plain(title.split(" > ").at(-1)) });
  }
  return [...pages.values()];
}

function answer(query) {
  const known = ++latest, results = document.getElementById("search-results");
  const said = results.querySelector(".search-summary") ??
    results.appendChild(element("p", { className: "search-summary", role: "status" }));
  const list = element("ul", { className: "search" });
  results.querySelector("ul.search")?.remove();
  results.append(list);
  if (query.trim().length < 2) return said.textContent = "Type a word or two.";
  const parsed = Search._parseQuery(query), terms = [...parsed[3]].sort((a, b) => b.length - a.length);
  const pages = grouped(Search._performSearch(...parsed).reverse());
  said.textContent = pages.length ? `${pages.length} ${pages.length === 1 ? "page" : "pages"} found` : "Nothing found";
  pages.slice(0, PAGES).forEach((page, number) => {
    const item = element("li", {}, element("a", { href: root + page.link, textContent: page.title }));
    const named = page.named.slice(0, SECTIONS).map(({ anchor, title }) =>
      element("li", {}, element("a", { href: root + page.link + anchor, textContent: title }))
    );
    if (named.length) item.append(element("ul", {}, ...named));
    list.append(item);
    if (number < LOOKED_INTO) lookInto(item, page, terms, known);
  });
}

const field = document.querySelector(".bd-search-container input[name=q]");
if (field) {
  let waiting;
  const search = () => {
    clearTimeout(waiting);
    const query = field.value;
    history.replaceState(null, "", query ? `?${new URLSearchParams({ q: query })}` : location.pathname); // scorer.js reads it
    answer(query);
  };
  Search.performSearch = () => Search.hasIndex() ? search() : setTimeout(Search.performSearch, 50);
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(Search.performSearch, 120);
  });
  field.focus(); // the theme means to, and takes the first such field, in a dialog that is closed
  field.form.addEventListener("submit", (event) => {
    event.preventDefault();
    Search.performSearch();
  });
}
