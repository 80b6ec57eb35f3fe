// Pan and zoom of the impact drawing: wheel and drag, or the buttons.
(() => {
  "use strict";
  function attach(holder) {
    const svg = holder.querySelector("svg");
    if (!svg || svg.dataset.on) return;
    svg.dataset.on = "";
    const all = (svg.getAttribute("viewBox") || "").split(/[\s,]+/).map(Number);
    if (all.length !== 4 || all.some(Number.isNaN)) return;
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    svg.setAttribute("aria-label", "Graph of what is affected; the table below says the same");
    for (const link of svg.querySelectorAll("a")) {
      const href = link.getAttribute("xlink:href") || link.getAttribute("href");
      if (href) { link.setAttribute("href", href + location.search.replace(/([?&])(cursor|to)=[^&]*/g, "$1")); }
    }
    svg.setAttribute("role", "group");
    let box = [...all];
    const show = () => svg.setAttribute("viewBox", box.join(" "));
    const zoom = (by, x = box[0] + box[2] / 2, y = box[1] + box[3] / 2) => {
      const width = Math.min(all[2] * 3, Math.max(all[2] / 40, box[2] / by)), scale = width / box[2];
      box = [x - (x - box[0]) * scale, y - (y - box[1]) * scale, width, box[3] * scale];
      show();
    };
    const scale = () => Math.max(box[2] / svg.clientWidth, box[3] / svg.clientHeight);
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && !svg.matches(":focus-within") && !holder.dataset.used) return;
      event.preventDefault();
      const frame = svg.getBoundingClientRect(), unit = scale();
      zoom(event.deltaY < 0 ? 1.15 : 0.87, box[0] + box[2] / 2 + (event.clientX - frame.left - frame.width / 2) * unit, box[1] + box[3] / 2 + (event.clientY - frame.top - frame.height / 2) * unit);
    }, { passive: false });
    svg.addEventListener("focusin", (event) => {
      if (!event.target.matches(":focus-visible")) return;
      const node = event.target.getBoundingClientRect(), frame = svg.getBoundingClientRect(), unit = scale();
      const beyond = (low, high, from, to) => (low < from ? low - from : Math.max(0, high - to)) * unit;
      box[0] += beyond(node.left, node.right, frame.left, frame.right);
      box[1] += beyond(node.top, node.bottom, frame.top, frame.bottom);
      show();
    });
    let from = null, moved = false;
    svg.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; moved = false; holder.dataset.used = "1"; });
    svg.addEventListener("pointermove", (event) => {
      if (!from || !event.buttons) return;
      const unit = scale(), dx = event.clientX - from[0], dy = event.clientY - from[1];
      if (!moved && Math.hypot(dx, dy) < 4) return;
      moved = true;
      box[0] -= dx * unit; box[1] -= dy * unit;
      from = [event.clientX, event.clientY];
      show();
    });
    svg.addEventListener("pointerup", () => { from = null; });
    svg.addEventListener("click", (event) => { if (moved) event.preventDefault(); }, true);
    const tools = document.querySelector("[data-zoom]");
    tools.hidden = false;
    tools.addEventListener("click", (event) => {
      const by = Number(event.target.dataset.by);
      if (by) zoom(by); else if (event.target.dataset.by) { box = [...all]; show(); }
    });
    // So large that its words can be read, beginning where the question is: the rest is a drag away.
    const unit = 1.15, width = svg.clientWidth * unit, height = svg.clientHeight * unit;
    if (all[2] > width || all[3] > height) {
      const first = [...svg.querySelectorAll(".node")].map((el) => el.getBBox()).sort((a, b) => a.x - b.x)[0];
      const middle = first ? all[3] + first.y + first.height / 2 - 4 : all[3] / 2;
      box = [all[0], all[3] > height ? Math.max(0, Math.min(all[3] - height, middle - height / 2)) : (all[3] - height) / 2, width, height];
      show();
    }
  }
  document.addEventListener("htmx:after:swap", () => document.querySelectorAll("[data-drawing]").forEach(attach));
})();
