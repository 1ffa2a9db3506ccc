"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // Light or dark, remembered where the browser allows it.
  const look = byId("look");
  const remembered = (write) => { try { return write(window.localStorage); } catch { return null; } };
  const wear = (name) => { if (name) root.dataset.look = name; else delete root.dataset.look; };
  look.value = remembered((memory) => memory.getItem("look")) ?? "";
  wear(look.value);
  look.addEventListener("change", () => {
    wear(look.value);
    remembered((memory) => memory.setItem("look", look.value));
  });

  // A click on a heading sorts ascending, then descending, then as it was; always within a section of the table.
  const seconds = { h: 3600, min: 60, s: 1 };
  const number = (text) => {
    const times = [...text.matchAll(/(\d+) (h|min|s)\b/g)];
    if (times.length && times[0].index === 0) return times.reduce((sum, [, count, unit]) => sum + count * seconds[unit], 0);
    // Dates, ranges and commits only begin like numbers.
    const found = /^[<>\s]*([+-]?[\d,]*\.?\d+(?:e[+-]?\d{1,3})?)(?![\w.-])/i.exec(text);
    return found ? Number(found[1].replaceAll(",", "")) : NaN;
  };
  const textOf = (cell) => cell.querySelector("[aria-label]:not(progress)")?.getAttribute("aria-label") ?? cell.textContent.trim();
  const compare = (one, other, direction) => {
    const [a, b] = [number(one), number(other)];
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 1 : -1; // what is no number stands last
    if (!one !== !other) return one ? -1 : 1;
    return direction * (Number.isNaN(a) ? one.localeCompare(other, "en") : a - b);
  };
  for (const table of all("table.sortable")) {
    const bodies = [...table.tBodies].map((body) => ({ body, rows: [...body.rows] }));
    const headings = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    headings.forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null }[heading.getAttribute("aria-sort")];
        const order = next === undefined ? "ascending" : next;
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        if (order) heading.setAttribute("aria-sort", order);
        const direction = order === "descending" ? -1 : 1;
        for (const { body, rows } of bodies) {
          const keys = new Map(rows.map((row) => [row, textOf(row.cells[column])]));
          const sorted = order ? [...rows].sort((a, b) => compare(keys.get(a), keys.get(b), direction)) : rows;
          body.append(...sorted);
        }
      });
    });
  }

  // Filters hide rows of the tables and what stands behind cells, with the sections and tables in which none is left; a
  // scenario hides the columns and boards of the others too.
  const words = byId("words"), scenario = byId("scenario"), verdict = byId("verdict"), shown = byId("shown");
  const items = all("section.table table:not(details table) tbody tr, details.cell").map((element) => ({
    element,
    within: [element.closest("section.table > section"), element.closest("section.table")],
    text: [element.matches("details") ? element.firstElementChild.textContent : element.textContent,
      ...all("[data-outcome]", element).map((cell) => cell.dataset.outcome)].join(" ").toLowerCase(),
    // A field without text belongs to a column, but to no cell of the table.
    marks: [element, ...all("[data-scenario], [data-outcome]", element).filter((cell) => cell.textContent.trim())].map((mark) => ({
      scenario: mark.dataset.scenario ?? element.dataset.scenario ?? "", outcome: mark.dataset.outcome ?? "",
    })),
  }));
  const containers = [...new Set(items.flatMap(({ within }) => within))];
  const columns = all("section.table table [data-scenario]:is(th, td), section.board");
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (mark) => (!scenario.value || mark.scenario === scenario.value);
    let count = 0;
    const left = new Set();
    for (const { element, within, text, marks } of items) {
      const found = wanted.every((word) => text.includes(word))
        && (!scenario.value || marks.some(fits))
        && (!verdict.value || marks.some((mark) => fits(mark) && mark.outcome === verdict.value));
      element.hidden = !found;
      if (found) within.forEach((container) => left.add(container));
      count += found && element.matches("tr") ? 1 : 0;
    }
    for (const cell of columns) cell.hidden = Boolean(scenario.value) && cell.dataset.scenario !== scenario.value;
    for (const container of containers) container.hidden = !left.has(container);
    // Boards are about strategies, which rows are only labelled after.
    for (const board of all("#boards")) board.hidden = Boolean(wanted.length || verdict.value);
    const rows = items.filter(({ element }) => element.matches("tr")).length;
    const asked = [words.value.trim() && `“${words.value.trim()}”`, scenario.value, verdict.value].filter(Boolean);
    shown.textContent = !asked.length ? "" : count ? `${count} of ${rows} rows` : "no row fits";
    byId("all").hidden = !asked.length;
    byId("none").hidden = left.size > 0;
    byId("none").firstElementChild.textContent = asked.join(", ");
  };
  const controls = [words, scenario, verdict];
  for (const control of controls) control.addEventListener("input", filter);
  const showAll = () => {
    for (const control of controls) control.value = "";
    filter();
  };
  byId("all").addEventListener("click", () => { showAll(); words.focus(); });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("controls").hidden = false;
  filter();

  // A link to a cell opens what stands behind it; the browser's way back leads to the number again. What filters hide is
  // shown again if a link leads there.
  const follow = () => {
    const target = byId(decodeURIComponent(location.hash.slice(1)));
    if (target?.closest("[hidden]")) { showAll(); target.scrollIntoView(); }
    if (!target?.matches("details")) return;
    target.open = true;
    target.scrollIntoView();
    target.firstElementChild.focus({ preventScroll: true });
  };
  window.addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    // The same link again, after its cell was closed, changes no hash.
    const link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) setTimeout(follow);
    // Anywhere in a cell of a table will do, not only its link.
    const field = event.target.closest("section.table td");
    if (!link && field && !window.getSelection().toString()) linkOf(field)?.click();
  });
  const linkOf = (field) => {
    const own = field.dataset.scenario;
    const links = all("a", field.parentElement);
    return own ? links.find((link) => link.closest("td").dataset.scenario === own) : links[0];
  };
  follow();

  // On paper nothing can be opened.
  window.addEventListener("beforeprint", () => {
    for (const details of all("details.figure, details.appendix")) details.open = true;
  });
})();
