// Leaves out of the gallery what a reader does not ask for: by rule, and by paper. It only hides
// what the page has; without it all figures are shown, and the choice is not (book/gallery.py).
(() => {
  function alive(form) {
    const groups = [...document.querySelectorAll(".gallery-group")];
    const cards = document.querySelectorAll(".gallery-card").length;
    function choose() {
      const {rule, part} = Object.fromEntries(new FormData(form));
      let count = 0;
      for (const group of groups) {
        const from = !part || group.classList.contains(`part-${part}`);
        let left = 0;
        for (const card of group.querySelectorAll(".gallery-card")) {
          card.hidden = !from || Boolean(rule && !card.classList.contains(`rule-${rule}`));
          left += !card.hidden;
        }
        group.hidden = left === 0;
        count += left;
      }
      form.querySelector("output").textContent = `${count} of ${cards} figures`;
    }
    form.addEventListener("change", choose);
    form.addEventListener("submit", event => event.preventDefault());
    form.hidden = false;
    choose();
  }
  document.addEventListener(
    "DOMContentLoaded", () => document.querySelectorAll(".gallery-choice").forEach(alive));
})();
