// A browser lets no page that was opened as a file read another, and the search would do so for an
// excerpt of each page that it finds. It finds them without, and says how to have more.
document.addEventListener("DOMContentLoaded", () => {
  const found = document.querySelector("#search-results");
  if (location.protocol !== "file:" || !found) return;
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  const note = document.createElement("p");
  note.textContent = "Excerpts of the pages that are found show where the book is served: make serve";
  found.before(note);
});
