"use strict";
(() => {
  const all = [...document.querySelectorAll("details.item")];
  const pieces = [...document.querySelectorAll("script.piece")];
  const aPiece = pieces.length > 1 ? Number(pieces[1].dataset.from) : Infinity;
  const state = document.getElementById("state");
  const type = document.getElementById("type");
  const find = document.getElementById("find");
  const toggle = document.getElementById("toggle");
  document.documentElement.classList.remove("no-script");

  // Bodies of a large batch are unpacked when they are opened.
  const unpacked = new Map();
  const unpack = (number) => {
    if (!unpacked.has(number)) {
      const bytes = Uint8Array.from(atob(pieces[number].textContent), (each) => each.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      unpacked.set(number, new Response(stream).json());
      if (unpacked.size > 8) unpacked.delete(unpacked.keys().next().value);
    }
    return unpacked.get(number);
  };
  const fill = async (item) => {
    const body = item.querySelector(".body");
    if (!pieces.length || body.childElementCount) return;
    const number = pieces.length > 1 ? Math.floor(item.dataset.place / aPiece) : 0;
    const texts = await unpack(number);
    if (!body.childElementCount) body.innerHTML = texts[item.dataset.place - (pieces.length > 1 ? number * aPiece : 0)];
  };
  for (const item of all) item.addEventListener("toggle", () => { if (item.open) fill(item); });

  const shown = () => all.filter((item) => !item.hidden);
  const choose = () => {
    const words = find.value.trim().toLowerCase();
    let count = 0;
    for (const item of all) {
      const fits = (!state.value || item.dataset.state === state.value)
        && (!type || !type.value || item.dataset.types.split(" ").includes(type.value))
        && (!words || item.firstElementChild.textContent.toLowerCase().includes(words));
      item.hidden = !fits;
      count += fits;
    }
    document.getElementById("none").hidden = count > 0;
    const narrowed = count < all.length;
    document.getElementById("shown").textContent = narrowed ? `${count.toLocaleString("en")} shown` : "";
  };
  for (const field of [state, type, find]) if (field) field.addEventListener("input", choose);
  document.querySelector("form.filters").addEventListener("submit", (event) => event.preventDefault());

  const MOST = 500;
  const openAll = async (open) => {
    const some = open ? shown().slice(0, MOST) : shown();
    for (const item of some) item.open = open;
    if (open) for (const item of some) await fill(item);
    if (open && shown().length > MOST) {
      document.getElementById("shown").textContent = `the first ${MOST} were opened: choose fewer items`;
    }
  };
  toggle.addEventListener("click", () => {
    const open = toggle.textContent === "Open all";
    toggle.textContent = open ? "Close all" : "Open all";
    openAll(open);
  });
  document.getElementById("print").addEventListener("click", async () => {
    await openAll(true);
    window.print();
  });
  if (!pieces.length) window.addEventListener("beforeprint", () => { for (const item of shown()) item.open = true; });

  // A quote leads to its place, and all of its parts are lit there.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#i']");
    if (!link) return;
    const place = document.getElementById(link.getAttribute("href").slice(1));
    if (!place) return;
    event.preventDefault();
    for (const lit of document.querySelectorAll("mark.lit")) lit.classList.remove("lit");
    const number = link.getAttribute("href").split("q")[1];
    const marks = place.closest(".material").querySelectorAll(`mark[data-q~="${number}"]`);
    for (const mark of marks) mark.classList.add("lit");
    if (marks.length) marks[0].scrollIntoView({ block: "center", behavior: "auto" });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !/INPUT|SELECT/.test(document.activeElement.tagName)) { event.preventDefault(); find.focus(); }
  });
  choose();
})();
