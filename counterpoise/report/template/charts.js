// Charts: specifications come ready made; the page only fits them to its width and switches strategies.
// A chart is drawn when it comes near the window, otherwise when the browser is idle; inside closed details when these
// are opened.
const views = new Map();
const begun = new Map();
const DARK_SAFE = { background: "transparent" };

const canChoose = () => document.getElementById("banded") !== null;
const choice = () => (canChoose() ? { shown: shownTitles(), banded: bandedTitles() } : {});

// Where every strategy has a line of its own, the figure is as high as the lines that are shown.
function heightOf(spec) {
  const { shown } = choice();
  const lines = spec.usermeta?.step && shown ? spec.data.values.filter((row) => shown.includes(row.strategy)).length : 0;
  return lines ? lines * spec.usermeta.step : spec.height;
}

function fit(spec, width) {
  // The choice goes in before the first drawing: to draw and then to switch costs twice.
  const start = choice();
  const params = spec.params.map((param) => ({ ...param, value: start[param.name] ?? param.value }));
  const legend = { ...spec.config.legend, columns: Math.max(1, Math.min(4, Math.floor(width / 175))) };
  const fitted = { ...spec, ...DARK_SAFE, params, config: { ...spec.config, legend } };
  if (!spec.spec) return { ...fitted, width, height: heightOf(spec), autosize: { type: "fit-x", contains: "padding" } };
  const columns = width > 760 ? 3 : width > 430 ? 2 : 1;
  const panel = Math.max(140, Math.floor((width - 62) / columns) - 22);
  const height = Math.min(spec.spec.height, Math.round(panel * 0.85));
  return { ...fitted, columns, spec: { ...spec.spec, width: panel, height } };
}

async function draw(box, spec) {
  const width = box.clientWidth;
  box.dataset.width = width;
  views.get(box.dataset.chart)?.finalize();
  try {
    // "ast" keeps the library from compiling text to code, which the page's policy forbids.
    const options = { renderer: "svg", actions: false, ast: true, logLevel: 1, tooltip: { theme: "custom" } };
    const before = JSON.stringify(choice());
    const { view } = await window.vegaEmbed(box, fit(spec, width), options);
    views.set(box.dataset.chart, view);
    if (JSON.stringify(choice()) !== before) await showOnly(view, spec); // somebody chose while it was being drawn
  } catch (error) {
    box.classList.add("failed");
    box.textContent = "This figure could not be drawn. Its table contains the numbers.";
    console.error(error);
  }
}

const shownTitles = () => [...document.querySelectorAll("input[name=shown]:checked")].map((input) => input.value);

function bandedTitles() {
  const choice = document.getElementById("banded").value;
  return choice === "shown" ? shownTitles() : choice ? [choice.slice(1)] : [];
}

async function showOnly(view, spec) {
  const { shown, banded } = choice();
  if (spec.usermeta?.step) view.height(heightOf(spec));
  await view.signal("shown", shown).signal("banded", banded).runAsync();
}

function save(text, type, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function csvOf(rows) {
  const fields = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const quote = (value) => (/[",\r\n]/.test(String(value ?? "")) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ""));
  return [fields, ...rows.map((row) => fields.map((f) => row[f]))].map((line) => line.map(quote).join(",")).join("\r\n") + "\r\n";
}

function setUpDownloads(specs) {
  for (const button of document.querySelectorAll("[data-svg]")) {
    const id = button.dataset.svg;
    const box = document.querySelector(`[data-chart="${id}"]`);
    button.addEventListener("click", async () => {
      await drawOnce(box, specs);
      save(await views.get(id).toSVG(), "image/svg+xml", `${id}.svg`);
    });
  }
  for (const button of document.querySelectorAll("[data-csv]")) {
    const spec = specs[button.dataset.csv];
    button.addEventListener("click", () => save(csvOf(spec.data.values), "text/csv", `${button.dataset.csv}.csv`));
  }
}

function setUpChoice(specs) {
  const again = () => views.forEach((view, id) => showOnly(view, specs[id]));
  const boxes = [...document.querySelectorAll("input[name=shown]")];
  boxes.forEach((input) => input.addEventListener("change", again));
  document.getElementById("banded")?.addEventListener("change", again);
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      boxes.forEach((input) => (input.checked = button.dataset.show === "all" || input.defaultChecked));
      again();
    });
  }
}

function drawOnce(box, specs) {
  const id = box.dataset.chart;
  if (!begun.has(id)) begun.set(id, draw(box, specs[id]));
  return begun.get(id);
}

const whenIdle = (work) => (window.requestIdleCallback ? requestIdleCallback(work, { timeout: 100 }) : setTimeout(work, 30));

const visible = (box) => box.closest("details:not([open])") === null;

async function drawTheRest(boxes, specs) {
  for (const box of boxes.filter(visible)) {
    if (!begun.has(box.dataset.chart)) await new Promise(whenIdle);
    await drawOnce(box, specs);
  }
  document.documentElement.dataset.drawn = "yes";
}

function redrawWhenResized(boxes, specs) {
  let pause;
  window.addEventListener("resize", () => {
    clearTimeout(pause);
    pause = setTimeout(() => {
      const moved = boxes.filter((box) => visible(box) && views.has(box.dataset.chart) && Math.abs(box.clientWidth - box.dataset.width) > 8);
      moved.forEach((box) => draw(box, specs[box.dataset.chart]));
    }, 150);
  });
}

function setUpCharts(specs) {
  const boxes = [...document.querySelectorAll("[data-chart]")];
  setUpDownloads(specs);
  setUpChoice(specs);
  redrawWhenResized(boxes, specs);
  window.addEventListener("beforeprint", () => boxes.filter(visible).forEach((box) => drawOnce(box, specs)));
  const near = new IntersectionObserver((found) => {
    for (const { target, isIntersecting } of found) if (isIntersecting) drawOnce(target, specs);
  }, { rootMargin: "40% 0px" });
  boxes.forEach((box) => near.observe(box));
  for (const details of document.querySelectorAll("details.more")) {
    details.addEventListener("toggle", () => details.open && drawOnce(details.querySelector("[data-chart]"), specs));
  }
  window.addEventListener("load", () => whenIdle(() => drawTheRest(boxes, specs)));
}
