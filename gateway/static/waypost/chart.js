// The point of a chart under the pointer or the keyboard, with its value and what it is beside the one before.
(() => {
  "use strict";
  const told = (value) => (Number.isInteger(value) || Math.abs(value) >= 1e5 ? value.toLocaleString("en", { maximumFractionDigits: 0 }) : String(Number(value.toPrecision(5))));
  function attach(svg) {
    const { labels, values } = JSON.parse(svg.dataset.chart), line = svg.querySelector("polyline").points, last = values.length - 1;
    const said = svg.parentElement.querySelector("output"), newest = said.textContent, mark = svg.querySelector(".at");
    let at = last;
    const words = () => `${told(values[at])} in version ${labels[at]}` + (at ? `, ${told(Math.abs(values[at] - values[at - 1]))} ${values[at] < values[at - 1] ? "less" : "more"} than in ${labels[at - 1]}` : "");
    function show(place) {
      at = Math.max(0, Math.min(last, place));
      for (const [name, value] of Object.entries({ cx: line[at].x, cy: line[at].y, r: 5 })) mark.setAttribute(name, value);
      said.textContent = words();
      svg.setAttribute("aria-valuenow", at + 1);
      svg.setAttribute("aria-valuetext", said.textContent);
    }
    function leave() { if (!svg.matches(":focus")) { mark.setAttribute("r", 0); said.textContent = newest; } }
    for (const [name, value] of Object.entries({ role: "slider", tabindex: 0, "aria-valuemin": 1, "aria-valuemax": last + 1 })) svg.setAttribute(name, value);
    show(last);
    leave();
    svg.addEventListener("pointermove", (event) => {
      const frame = svg.getBoundingClientRect(), x = (event.clientX - frame.left) * svg.viewBox.baseVal.width / frame.width;
      show(Math.round((x - line[0].x) / (line[last].x - line[0].x) * last));
    });
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("focus", () => show(at));
    svg.addEventListener("blur", leave);
    svg.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: last }[event.key];
      if (to !== undefined) { event.preventDefault(); show(to); }
    });
  }
  addEventListener("DOMContentLoaded", () => document.querySelectorAll("[data-chart]").forEach(attach));
})();
