// A browser lets no page that was opened as a file read another, and the search would do so for an
// excerpt of each page that it finds. It finds them without, and says how to have more.
if (location.protocol === "file:") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  document.addEventListener("DOMContentLoaded", () => {
    const note = document.createElement("p");
    note.textContent = "Excerpts of the pages that are found show where the book is served: make serve";
    document.querySelector("#search-results")?.before(note);
  });
}
