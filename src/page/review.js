// Arrow keys in lists and, in a diff that has the focus, n and p from change to change. The page
// works without this; nothing is decided by a key.
"use strict";
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const here = document.activeElement;
  if (!(here instanceof Element)) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (!here.closest("[data-list]")) return;
    const links = [...document.querySelectorAll("[data-list] a")];
    const next = links[links.indexOf(here) + (event.key === "ArrowDown" ? 1 : -1)];
    if (next) {
      next.focus();
      event.preventDefault();
    }
  } else if (event.key === "n" || event.key === "p") {
    const diff = here.closest("[data-diff]");
    if (!diff) return;
    const starts = [...diff.querySelectorAll("tr[data-change]")].filter(
      (row) => !row.previousElementSibling?.hasAttribute("data-change"),
    );
    const at = starts.indexOf(here);
    const next = event.key === "n" ? starts[at + 1] : starts[at < 0 ? starts.length - 1 : at - 1];
    if (next) {
      next.tabIndex = -1;
      next.focus();
      event.preventDefault();
    }
  }
});
