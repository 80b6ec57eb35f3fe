// Suggestions under the search box: a combobox as the ARIA practices describe it.
(() => {
  "use strict";
  addEventListener("DOMContentLoaded", () => {
    const box = document.getElementById("q"), list = document.getElementById("suggestions");
    let chosen = -1, asked = 0, timer = 0;

    const options = () => [...list.children];
    function close() { list.hidden = true; chosen = -1; box.setAttribute("aria-expanded", "false"); box.removeAttribute("aria-activedescendant"); }
    function take(text) {
      box.value = text.endsWith(":") ? text : `${text} `;
      close();
      box.focus();
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
    function mark(index) {
      chosen = index;
      options().forEach((el, place) => el.setAttribute("aria-selected", String(place === index)));
      if (index >= 0) box.setAttribute("aria-activedescendant", `suggestion-${index}`);
      else box.removeAttribute("aria-activedescendant");
    }
    async function ask() {
      const mine = ++asked, text = box.value;
      if (!text.trim() || text.endsWith(" ")) return close();
      const answer = await fetch(`/api/v1/suggest?q=${encodeURIComponent(text)}`).catch(() => null);
      if (mine !== asked || !answer?.ok || document.activeElement !== box) return;
      const found = (await answer.json()).suggestions.filter((one) => one.text !== text).slice(0, /:$/.test(text) ? 14 : 8);
      if (mine !== asked) return;
      list.replaceChildren(...found.map((one, index) => {
        const el = document.createElement("li"), label = document.createElement("bdi"), side = document.createElement("span");
        el.id = `suggestion-${index}`; el.role = "option"; el.dataset.text = one.text;
        label.textContent = one.label;
        side.textContent = one.kind === "model" ? "model" : one.count ? one.count.toLocaleString("en") : one.kind;
        el.append(label, side);
        return el;
      }));
      list.hidden = !found.length;
      box.setAttribute("aria-expanded", String(!list.hidden));
      mark(-1);
    }
    box.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(ask, 90); });
    box.addEventListener("blur", () => setTimeout(close, 150));
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !list.hidden) { event.preventDefault(); close(); return; }
      if (event.key === "ArrowDown" && list.hidden && box.value) { ask(); return; }
      if (list.hidden) return;
      const last = options().length - 1;
      if (event.key === "ArrowDown") { event.preventDefault(); mark(chosen >= last ? -1 : chosen + 1); }
      else if (event.key === "ArrowUp") { event.preventDefault(); mark(chosen < 0 ? last : chosen - 1); }
      else if ((event.key === "Enter" || event.key === "Tab") && chosen >= 0) { event.preventDefault(); take(options()[chosen].dataset.text); }
      else if (event.key === "Enter") close();
    });
    list.addEventListener("mousedown", (event) => {
      const option = event.target.closest("li");
      if (option) { event.preventDefault(); take(option.dataset.text); }
    });
  });
})();
