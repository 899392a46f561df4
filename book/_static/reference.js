// The reference was one page, and links to it name a function there: they go on to the page that tells of it now.

function follow() {
  const wanted = decodeURIComponent(location.hash.slice(1)).replace(/^module-/, "");
  if (!wanted || document.getElementById(wanted)) return;
  const links = [...document.querySelectorAll(".bd-article a[href*='#module-']")].map((link) => {
    return { link, module: link.hash.replace("#module-", "") };
  });
  const homes = links.filter(({ module }) => wanted === module || wanted.startsWith(`${module}.`));
  const [home] = homes.sort((a, b) => b.module.length - a.module.length);
  if (home) location.replace(wanted === home.module ? home.link.href : home.link.href.split("#")[0] + `#${wanted}`);
}

addEventListener("hashchange", follow);
follow();
