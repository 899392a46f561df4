// Says why a page that was opened as a file stays a picture. A classic script, because browsers load modules, such as
// host.js, only from a server.

if (location.protocol === "file:") {
  for (const place of document.querySelectorAll(".pixel-widget")) {
    const said = document.createElement("p");
    said.className = "pixel-status";
    said.setAttribute("role", "status");
    said.textContent = "This stays a picture: a browser runs it only on a page that comes from a server. Run " +
      "“python -m http.server” in the folder of the book's pages, and open http://localhost:8000.";
    place.append(said);
    place.dataset.still = "";
  }
}
