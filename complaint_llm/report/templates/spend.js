"use strict";
(() => {
  document.documentElement.classList.remove("no-script");
  const source = document.getElementById("data");
  if (!source || !document.getElementById("plot-spend")) return;
  const data = JSON.parse(source.textContent);
  const count = data.labels.length;

  // Colours that differ for every kind of sight, each with a pattern of its own besides.
  const LIGHT = { ink: "#1d1c1a", soft: "#5b5852", line: "#d9d5cb", paper: "#ffffff",
    colours: ["#0072b2", "#d55e00", "#00805d", "#a8447c", "#8a6100", "#666666"] };
  const DARK = { ink: "#e9e6df", soft: "#b5b1a7", line: "#3a3b39", paper: "#1f201f",
    colours: ["#56b4e9", "#f0864a", "#3ecfa4", "#e79fc8", "#f0c040", "#b0b0b0"] };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;
  const theme = () => (dark.matches && !printing ? DARK : LIGHT);

  const PATTERNS = [
    null,
    [[0, 8, 8, 0], [-2, 2, 2, -2], [6, 10, 10, 6]],
    [[0, 4, 8, 4]],
    [[0, 0, 8, 8], [-2, 6, 2, 10], [6, -2, 10, 2]],
    [[4, 0, 4, 8]],
    [[0, 4, 8, 4], [4, 0, 4, 8]],
  ];
  const pattern = (number) => {
    const lines = PATTERNS[number % PATTERNS.length];
    const colour = theme().colours[number % 6];
    if (!lines) return colour;
    const tile = document.createElement("canvas");
    const zoom = Math.max(1, Math.round(devicePixelRatio));
    tile.width = tile.height = 8 * zoom;
    const pen = tile.getContext("2d");
    pen.scale(zoom, zoom);
    pen.fillStyle = theme().paper;
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = colour;
    pen.lineWidth = 2.4;
    for (const [a, b, c, d] of lines) { pen.beginPath(); pen.moveTo(a, b); pen.lineTo(c, d); pen.stroke(); }
    return pen.createPattern(tile, "repeat");
  };

  const number = (value) => value.toLocaleString("en-US");
  const dollars = (value) => (value && value < 0.1
    ? `$${value.toPrecision(2)}`
    : value.toLocaleString("en-US", { style: "currency", currency: "USD" }));
  const seconds = (value) => (value == null ? "–"
    : value < 0.1 ? `${Math.round(value * 1000)} ms`
    : value < 100 ? `${value.toFixed(1)} s` : value < 6000 ? `${(value / 60).toFixed(1)} min` : `${(value / 3600).toFixed(1)} h`);

  const squares = (u, series, first, last, filtered) => {
    const path = new Path2D();
    const half = 3.5 * devicePixelRatio;
    for (const place of filtered || Array.from({ length: last - first + 1 }, (_, n) => first + n)) {
      const value = u.data[series][place];
      if (value == null) continue;
      path.rect(u.valToPos(u.data[0][place], "x", true) - half, u.valToPos(value, "y", true) - half, half * 2, half * 2);
    }
    return { stroke: path, fill: path, clip: null, flags: 3 };
  };

  // What each chart shows: drawn series, and keys with what a key says at a place.
  const stack = (kind) => {
    const costly = data.spend[kind].series.filter((each) => each.values.some((value) => value > 0));
    const shown = costly.length ? costly : data.spend[kind].series.slice(0, 1);
    const sums = shown.map((_, k) => data.labels.map((_, n) => shown.slice(0, k + 1).reduce((sum, each) => sum + each.values[n], 0)));
    const bars = uPlot.paths.bars({ size: [0.72, 70] });
    const order = shown.map((_, k) => shown.length - 1 - k);
    return {
      unit: "US dollars", tick: dollars,
      values: order.map((k) => sums[k]),
      series: order.map((k) => ({ paths: bars, points: { show: false }, fill: () => pattern(k), stroke: theme().colours[k % 6], width: 1 })),
      keys: shown.map((each, k) => ({ name: each.name, bar: k, say: (n) => dollars(each.values[n]) })),
      last: (n) => `together ${dollars(sums.length ? sums[sums.length - 1][n] : 0)}`,
    };
  };
  const lines = (place) => {
    const { median, p95 } = data.latency[place];
    const [one, two] = theme().colours;
    const background = theme().paper;
    return {
      unit: "seconds", tick: number, values: [median, p95],
      series: [
        { stroke: one, width: 2, points: { show: true, size: 7, fill: one, stroke: one } },
        { stroke: two, width: 2, dash: [7, 5], points: { show: true, size: 7, paths: squares, fill: background, stroke: two } },
      ],
      keys: [
        { name: "half came within", line: 0, say: (n) => seconds(median[n]) },
        { name: "95 of 100 came within", line: 1, say: (n) => seconds(p95[n]) },
      ],
    };
  };
  const pairs = (place) => {
    const { failed, fallbacks, kind } = data.failures[place];
    const bar = (align) => uPlot.paths.bars({ size: [0.36, 30], align });
    const each = (k, align) => ({ paths: bar(align), points: { show: false }, fill: () => pattern(k), stroke: theme().colours[k], width: 1 });
    return {
      unit: kind === "backend" ? "attempts" : "calls", tick: number, whole: true, values: [failed, fallbacks],
      series: [{ ...each(1, -1), fill: () => theme().colours[1] }, { ...each(0, 1), fill: () => pattern(3) , stroke: theme().colours[3] }],
      keys: [
        { name: kind === "backend" ? "attempts failed" : "no answer", bar: 1, plain: true, say: (n) => number(failed[n]) },
        { name: "went on to another backend", bar: 3, say: (n) => number(fallbacks[n]) },
      ],
    };
  };

  const swatch = (key) => {
    const canvas = document.createElement("canvas");
    canvas.width = 68; canvas.height = 28;
    const pen = canvas.getContext("2d");
    pen.scale(2, 2);
    if (key.bar !== undefined) {
      const colour = theme().colours[key.bar % 6];
      pen.fillStyle = key.plain ? colour : pattern(key.bar);
      pen.strokeStyle = colour;
      pen.fillRect(5, 1, 24, 12);
      pen.strokeRect(5, 1, 24, 12);
      return canvas;
    }
    pen.strokeStyle = pen.fillStyle = theme().colours[key.line];
    pen.lineWidth = 2;
    if (key.line) pen.setLineDash([7, 5]);
    pen.beginPath(); pen.moveTo(0, 7); pen.lineTo(34, 7); pen.stroke();
    pen.setLineDash([]);
    pen.beginPath();
    if (key.line) { pen.rect(13.5, 3.5, 7, 7); pen.fillStyle = theme().paper; } else pen.arc(17, 7, 3.5, 0, 7);
    pen.fill(); pen.stroke();
    return canvas;
  };

  const narrow = () => innerWidth <= 760;
  const PRINTED = 640;
  const chart = (id, make) => {
    const host = document.getElementById(`plot-${id}`);
    const keys = document.getElementById(`keys-${id}`);
    const readout = document.getElementById(`readout-${id}`);
    const choice = document.getElementById(`choose-${id}`);
    let drawn = null;
    const size = () => ({ width: printing ? PRINTED : Math.max(240, host.clientWidth), height: narrow() && !printing ? 220 : 280 });
    const draw = () => {
      const shown = make(Number(choice.value));
      const { soft, line } = theme();
      const axis = { stroke: soft, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
      if (drawn) drawn.destroy();
      readout.textContent = "";
      drawn = new uPlot({
        ...size(),
        padding: [12, 12, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
        scales: {
          x: { time: false, range: () => [-0.5, count - 0.5] },
          y: { range: (u, low, high) => [0, high > 0 ? high * 1.08 : 1] },
        },
        series: [{}, ...shown.series],
        axes: [
          { ...axis, grid: { show: false }, space: 74, incrs: [1, 2, 3, 4, 6, 7, 8, 12, 14, 24, 28, 52, 104],
            values: (u, places) => places.map((place) => data.short[place] ?? "") },
          { ...axis, label: shown.unit, labelSize: 20, size: (u, values) => Math.max(46, ...(values || []).map((each) => each.length * 7 + 18)),
            ...(shown.whole ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6] } : {}),
            values: (u, values) => values.map(shown.tick) },
        ],
        hooks: { setCursor: [(u) => {
          const place = u.cursor.idx;
          readout.textContent = place == null || u.cursor.left < 0 ? "" : [
            `${data.labels[place]}: ${shown.keys.map((key) => `${key.name} ${key.say(place)}`).join(" · ")}`,
            ...(shown.last && shown.keys.length > 1 ? [shown.last(place)] : []),
          ].join(" · ");
        }] },
      }, [data.labels.map((_, place) => place), ...shown.values], host);
      keys.replaceChildren(...shown.keys.map((key) => {
        const item = document.createElement("li");
        const name = document.createElement("bdi");
        name.textContent = key.name;
        item.append(swatch(key), name);
        return item;
      }));
    };
    choice.addEventListener("input", draw);
    host.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, Home: -count, End: count }[event.key];
      if (!step) return;
      event.preventDefault();
      const from = drawn.cursor.idx ?? (step < 0 ? count : -1);
      const place = Math.min(count - 1, Math.max(0, from + step));
      drawn.setCursor({ left: drawn.valToPos(place, "x"), top: 1 });
    });
    draw();
    let width = host.clientWidth;
    new ResizeObserver(() => {
      if (printing || host.clientWidth === width) return;
      width = host.clientWidth;
      drawn.setSize(size());
    }).observe(host);
    return draw;
  };
  const charts = [chart("spend", stack), chart("latency", lines), chart("failures", pairs)];
  const redraw = () => { for (const draw of charts) draw(); };
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => { printing = true; redraw(); });
  addEventListener("afterprint", () => { printing = false; redraw(); });
})();
