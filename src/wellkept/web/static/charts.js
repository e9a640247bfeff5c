// Curves: each [data-chart] gets its data from its address and is drawn when it comes into sight.
(() => {
  const COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];
  const HEIGHT = 200;
  // A canvas knows no variables, and one of ours may be a calculation: the browser has to say which colour it is.
  const colour = (place, name) => {
    place.style.color = `var(${name})`;
    const found = getComputedStyle(place).color;
    place.style.color = "";
    return found;
  };

  const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];
  const short = (value) => value.toLocaleString(document.documentElement.lang, { maximumSignificantDigits: 3 });
  const said = (value, unit) => {
    if (value == null) return "–";
    if (unit !== "B") return short(value) + (unit ? ` ${unit}` : "");
    const power = value >= 1 ? Math.min(SIZES.length - 1, Math.floor(Math.log2(value) / 10)) : 0;
    return `${short(value / 2 ** (10 * power))} ${SIZES[power]}`;
  };

  const dated = (zone, options) => new Intl.DateTimeFormat(document.documentElement.lang, { timeZone: zone, ...options });
  const clocks = (zone) => {
    const day = dated(zone, { day: "numeric", month: "short" });
    const hour = dated(zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    return { axis: (marks, step) => marks.map((mark) => (step < 86400 ? hour : day).format(mark * 1000)), exact: (at) => `${day.format(at * 1000)} ${hour.format(at * 1000)}` };
  };

  const draw = (place, data) => {
    place.textContent = "";
    place.classList.toggle("chart-empty", !data.times.length);
    if (!data.times.length) {
      place.append(Object.assign(document.createElement("p"), { className: "quiet m-0", textContent: place.dataset.nothing }));
      return;
    }
    const axis = { stroke: colour(place, "--tblr-secondary"), grid: { stroke: colour(place, "--tblr-border-color"), width: 1 }, ticks: { show: false } };
    const { unit, zone } = place.dataset;
    const clock = clocks(zone);
    const made = new uPlot(
      {
        width: place.clientWidth,
        height: HEIGHT,
        cursor: { drag: { x: true, y: false } },
        scales: { y: { range: (_plot, least, most) => [Math.min(0, least), most || 1] } },
        tzDate: (at) => uPlot.tzDate(new Date(at * 1000), zone),
        axes: [{ ...axis, space: 60, values: (_plot, marks, _axis, _space, step) => clock.axis(marks, step) }, { ...axis, size: 74, values: (_plot, marks) => marks.map((mark) => said(mark, unit)) }],
        series: [
          { label: place.dataset.time, value: (_plot, at) => (at == null ? "–" : clock.exact(at)) },
          ...data.curves.map((curve, number) => ({
            label: curve.title,
            stroke: colour(place, COLOURS[number]),
            width: 1.5,
            points: { show: data.times.length < 3 },
            value: (_plot, value) => said(value, unit),
          })),
        ],
      },
      [data.times, ...data.curves.map((curve) => curve.values)],
      place,
    );
    new ResizeObserver(() => made.setSize({ width: place.clientWidth, height: HEIGHT })).observe(place);
  };

  const load = (place) =>
    fetch(place.dataset.chart, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : Promise.reject(answer.status)))
      .then((data) => draw(place, data))
      .catch(() => {
        place.textContent = place.dataset.broken;
      });

  const sight = new IntersectionObserver((seen) => {
    for (const one of seen.filter((entry) => entry.isIntersecting)) {
      sight.unobserve(one.target);
      load(one.target);
    }
  }, { rootMargin: "200px" });
  for (const place of document.querySelectorAll("[data-chart]")) sight.observe(place);
})();
