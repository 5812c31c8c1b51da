"use strict";
/* What every page has: light and dark, and tables that sort and that are searched. */
const $ = (selector, within = document) => within.querySelector(selector);
const make = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in node && key !== "list") node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
};

(() => {
  document.documentElement.classList.add("js");

  // ---- Light and dark -------------------------------------------------------------------
  const themes = ["auto", "light", "dark"];
  const remembered = () => {
    // A file opened from a mail may have no storage.
    try { return localStorage.getItem("slaeval-theme") || "auto"; } catch { return "auto"; }
  };
  const theme = $("#theme");
  const dress = (name) => {
    if (name === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    theme.textContent = `Theme: ${name}`;
  };
  let current = remembered();
  dress(current);
  theme.hidden = false;
  theme.addEventListener("click", () => {
    current = themes[(themes.indexOf(current) + 1) % themes.length];
    dress(current);
    try { localStorage.setItem("slaeval-theme", current); } catch { /* only not remembered */ }
  });

  // ---- Tables that sort -----------------------------------------------------------------
  for (const table of document.querySelectorAll("table[data-sort]")) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      if (cell.querySelector(".hidden")) return;
      const button = make("button", { type: "button" });
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const down = cell.getAttribute("aria-sort") !== "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        cell.setAttribute("aria-sort", down ? "descending" : "ascending");
        const text = (row) => row.cells[column].textContent.trim();
        const number = (row) => {
          const value = parseFloat(text(row).replace("−", "-"));
          return Number.isNaN(value) ? -Infinity : value;
        };
        const isText = cell.classList.contains("t");
        const rows = [...body.rows].sort((a, b) =>
          isText ? text(b).localeCompare(text(a), undefined, { numeric: true })
            : number(b) - number(a));
        if (!down) rows.reverse();
        body.append(...rows);
      });
    });
  }

  // ---- Tables that are searched: rows with all the words of the box above them ------------
  for (const table of document.querySelectorAll("table[data-search]")) {
    // A name that is cut in the table is whole in its title.
    const text = (row) => [row.textContent,
      ...[...row.querySelectorAll("[title]")].map((cell) => cell.title)].join(" ").toLowerCase();
    const rows = [...table.tBodies[0].rows].map((row) => [row, text(row)]);
    const search = make("input", {
      type: "search", placeholder: "words, segment or signer", autocomplete: "off",
      spellcheck: false, dir: "auto",
    });
    const found = make("p", { className: "found", role: "status" });
    const apply = () => {
      const tokens = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const [row, text] of rows) {
        row.hidden = !tokens.every((token) => text.includes(token));
        if (!row.hidden) shown += 1;
      }
      const number = (n) => n.toLocaleString("en");
      found.textContent = `${number(shown)} of ${number(rows.length)} ${table.dataset.search}`;
    };
    search.addEventListener("input", apply);
    table.closest(".scroll").before(
      make("div", { className: "tools", role: "search" }, make("label", {}, "Search", search), found));
    apply();
  }
  document.documentElement.dataset.ready = "";
})();
