// Keyboard, copying, forms that send themselves, and live progress. Everything works without it, only less quickly.
(() => {
  "use strict";
  const typing = (el) => el.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
  const hits = () => [...document.querySelectorAll("a[data-hit]")];
  const speak = (text) => { document.getElementById("spoken").textContent = text; };
  let at = -1;

  function go(step) {
    const all = hits();
    if (!all.length) return;
    at = Math.max(0, Math.min(all.length - 1, all.includes(document.activeElement) ? all.indexOf(document.activeElement) + step : at < 0 ? 0 : at + step));
    for (const el of document.querySelectorAll(".hit.at")) el.classList.remove("at");
    all[at].closest(".hit")?.classList.add("at");
    all[at].focus();
    all[at].scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("focusin", (event) => {
    const link = event.target.closest(".picture a");
    if (link?.matches(":focus-visible")) link.scrollIntoView({ block: "nearest", inline: "center" });
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const help = document.getElementById("help");
    if (help.open) return;
    if (event.key === "/") {
      const box = document.querySelector("[data-focus]");
      if (box) { event.preventDefault(); box.focus(); box.select(); }
    } else if (event.key === "?") { event.preventDefault(); help.showModal(); }
    else if (event.key === "j") go(1);
    else if (event.key === "k") go(-1);
  });

  document.addEventListener("click", async (event) => {
    if (event.target.closest("[data-help]")) document.getElementById("help").showModal();
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    const text = button.parentElement.querySelector("code").textContent;
    let done = true;
    try { await navigator.clipboard.writeText(text); } catch { done = select(button.parentElement.querySelector("code")) && document.execCommand("copy"); }
    button.textContent = done ? "Copied" : "Ctrl+C";
    speak(done ? "Copied" : "Selected: press Control C");
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });

  function select(el) {
    const range = document.createRange();
    range.selectNodeContents(el);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return true;
  }

  let typed = 0;
  document.addEventListener("input", async (event) => {
    const box = event.target.closest("input[data-references]"), mine = ++typed;
    if (!box) return;
    await new Promise((done) => { setTimeout(done, 90); });
    if (mine !== typed) return;
    const answer = await fetch(`/api/v1/references?q=${encodeURIComponent(box.value)}`).catch(() => null);
    if (mine !== typed || !answer?.ok) return;
    box.list.replaceChildren(...(await answer.json()).references.map((text) => new Option(text, text)));
  });

  document.addEventListener("change", (event) => { event.target.closest("form[data-submit]")?.requestSubmit(); });

  function begin(root) {
    for (const el of root.querySelectorAll("button[data-copy]")) el.hidden = false;
    for (const el of root.querySelectorAll(".scroll")) {
      if (el.toggleAttribute("data-scrolls", el.scrollWidth > el.clientWidth + 1)) el.setAttribute("aria-description", "scrolls sideways");
    }
    for (const el of root.querySelectorAll(".picture")) {
      const one = el.querySelector(".node.start")?.getBoundingClientRect(), frame = el.getBoundingClientRect();
      if (one) el.scrollTo(one.x + one.width / 2 - frame.x - frame.width / 2, one.y + one.height / 2 - frame.y - frame.height / 2);
    }
    for (const el of root.querySelectorAll("[data-progress]:not([data-on])")) {
      el.dataset.on = "";
      const source = new EventSource(el.dataset.progress);
      source.addEventListener("progress", (event) => { el.innerHTML = event.data; });
      source.addEventListener("end", () => { source.close(); location.replace(el.dataset.then || location.href); });
    }
  }
  addEventListener("DOMContentLoaded", () => begin(document));
  document.addEventListener("htmx:after:swap", () => { at = -1; begin(document); });
})();
