"use strict";
// Draws what Python put into the page. Text from a corpus is only ever set as text.
(() => {
  const content = JSON.parse(document.getElementById("content").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const PAGE = 20;

  function ground() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    const axis = { gridcolor: of("--line"), zerolinecolor: of("--line"), linecolor: of("--line"), automargin: true };
    return { text: of("--text"), ground: of("--ground"), raised: of("--raised"), axis };
  }

  function layoutOf(figure) {
    const { text, ground: paper, raised, axis } = ground();
    const layout = structuredClone(figure.layout);
    for (const key of Object.keys(layout).filter((k) => /^[xy]axis\d*$/.test(k))) {
      layout[key] = { ...axis, ...layout[key] };
    }
    return {
      margin: { l: 60, r: 12, t: 12, b: 50 },
      barmode: "group",
      ...layout,
      legend: { ...layout.legend, orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      paper_bgcolor: paper,
      plot_bgcolor: paper,
      font: { color: text, size: 12 },
      hoverlabel: { bgcolor: raised, font: { color: text } },
    };
  }

  const OPTIONS = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
  const charts = [...document.querySelectorAll(".chart")];

  function draw(place) {
    const figure = content.charts[place.dataset.chart];
    return Plotly.react(place, structuredClone(figure.data), layoutOf(figure), OPTIONS);
  }

  // A chart is drawn when it comes near, so that a page of many opens at once.
  const drawn = new Set();
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      near.unobserve(entry.target);
      drawn.add(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "800px" });
  charts.forEach((place) => near.observe(place));
  dark.addEventListener("change", () => drawn.forEach(draw));
  window.addEventListener("beforeprint", () => charts.forEach(draw));

  function made(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function option(value, text) {
    return made("option", { value }, text);
  }

  function number(value) {
    return value === null ? "no score" : String(value);
  }

  function article(entry, rankings) {
    const head = made("header", {}, made("strong", {}, entry.why), made("span", {}, entry.domain),
      made("span", {}, entry.where), made("span", {}, `${entry.bytes.toLocaleString("en")} bytes`));
    if (entry.kept !== null) head.append(made("span", { class: entry.kept ? "kept" : "" }, entry.kept ? "kept" : "not kept"));
    const ranks = made("div", { class: "ranks" });
    rankings.forEach((name, i) => {
      const percentile = entry.percentiles[i];
      const fill = made("span", { style: `width: ${percentile ?? 0}%` });
      const told = percentile === null ? "no score" : `${percentile} (${number(entry.scores[i])})`;
      ranks.append(made("div", { class: "rank" }, made("span", {}, name), made("div", { class: "bar" }, fill), made("span", {}, told)));
    });
    const text = made("pre", { dir: "auto" }, entry.text ?? "(text not shown)");
    return made("article", {}, head, ranks, text);
  }

  function documents(place) {
    const { rankings, entries } = content.documents[place.dataset.documents];
    const distinct = (key) => [...new Set(entries.map((entry) => entry[key]))];
    const control = (name, element) => made("label", {}, name, element);
    const why = made("select", { name: "why" }, option("", "all"), ...distinct("why").map((v) => option(v, v)));
    const domain = made("select", { name: "domain" }, option("", "all"), ...distinct("domain").sort().map((v) => option(v, v)));
    const kept = made("select", { name: "kept" }, option("", "all"), option("true", "kept"), option("false", "not kept"));
    const scorer = made("select", { name: "scorer" }, ...rankings.map((v, i) => option(i, v)));
    const low = made("input", { type: "number", min: 0, max: 100, value: 0, name: "low", "aria-label": "lowest percentile" });
    const high = made("input", { type: "number", min: 0, max: 100, value: 100, name: "high", "aria-label": "highest percentile" });
    const words = made("input", { type: "search", name: "words", placeholder: "any text" });
    const filters = made("div", { class: "filters" }, control("chosen because", why), control("domain", domain));
    if (entries.some((entry) => entry.kept !== null)) filters.append(control("selection", kept));
    filters.append(control("percentile of", scorer),
      made("div", { class: "range" }, control("from", low), control("to", high)), control("contains", words));
    const count = made("p", { class: "caption", role: "status" });
    const list = made("div", { class: "entries" });
    const more = made("button", { type: "button" }, "Show more");
    let shown = PAGE;

    function passes(entry) {
      const at = entry.percentiles[Number(scorer.value)];
      const least = Number(low.value || 0), most = high.value === "" ? 100 : Number(high.value);
      const everything = least <= 0 && most >= 100;
      return (!why.value || entry.why === why.value)
        && (!domain.value || entry.domain === domain.value)
        && (!kept.value || String(entry.kept) === kept.value)
        && (everything || (at !== null && at >= least && at <= most))
        && (!words.value || (entry.text ?? "").toLowerCase().includes(words.value.toLowerCase()));
    }

    function show() {
      const found = entries.filter(passes);
      count.textContent = `${found.length} of ${entries.length} shown here pass the filters.`;
      list.replaceChildren(...found.slice(0, shown).map((entry) => article(entry, rankings)));
      more.hidden = found.length <= shown;
    }
    filters.addEventListener("input", () => { shown = PAGE; show(); });
    more.addEventListener("click", () => { shown += PAGE; show(); });
    place.append(filters, count, list, more);
    show();
  }
  document.querySelectorAll(".documents").forEach(documents);
})();
