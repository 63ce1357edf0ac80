// The search box of the first page. Without it the page is whole.
"use strict";
const box = document.getElementById("search");
if (box) {
  const form = box.form;
  const told = form.querySelector("output");
  const rows = Array.from(document.querySelectorAll("[data-search]"), (row) => [row, row.dataset.search.toLowerCase()]);
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const [row, text] of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    for (const section of document.querySelectorAll("main section")) {
      section.hidden = !section.querySelector("[data-search]:not([hidden])");
    }
    told.textContent = words.length ? (shown ? `${shown} found` : "nothing found") : "";
  };
  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  box.addEventListener("input", filter);
  // What a browser kept from the visit before.
  filter();
}
