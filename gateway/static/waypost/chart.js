// A metric over the versions of a model, drawn with uPlot in the colours of the page.
(() => {
  "use strict";
  const made = [];
  function draw(el) {
    const { name, labels, values } = JSON.parse(el.dataset.chart);
    const style = getComputedStyle(document.documentElement);
    const colour = (token) => style.getPropertyValue(token).trim();
    const size = () => ({ width: Math.max(120, el.clientWidth), height: el.clientHeight });
    const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    const shown = (place) => (labels[place] === undefined ? "" : labels[place].length > 12 ? `${labels[place].slice(0, 11)}…` : labels[place]);
    const chart = new uPlot({
      ...size(),
      padding: [12, 16, 0, 4],
      legend: { show: false },
      cursor: { y: false, points: { size: 8 } },
      scales: { x: { time: false, range: (_, low, high) => [low - 0.3, high + 0.3] } },
      axes: [{ ...axis, grid: { show: false }, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], values: (_, splits) => splits.map((at) => (Number.isInteger(at) ? shown(at) : "")) }, { ...axis, size: 58 }],
      series: [{}, { label: name, stroke: colour("--link"), width: 2, points: { show: labels.length <= 60, size: 6, fill: colour("--page") } }],
    }, [labels.map((_, place) => place), values], el);
    made.push([chart, size]);
  }
  function all() { for (const el of document.querySelectorAll("[data-chart]")) { el.replaceChildren(); draw(el); } }
  addEventListener("DOMContentLoaded", all);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { made.length = 0; all(); });
  let timer = 0;
  addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(() => made.forEach(([chart, size]) => chart.setSize(size())), 100); });
})();
