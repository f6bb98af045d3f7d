// The threshold slider: rows are [threshold, tp, fp, fn, tn], ascending; every reading is exact there.
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const by = (id) => document.getElementById(id);
const ratio = (a, b) => (b > 0 ? a / b : NaN);
const fixed = (value, places) => (Number.isFinite(value) ? value.toFixed(places) : "–");
const shareText = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(1)}%` : "–");
const large = (value) => (Number.isFinite(value) ? (Math.abs(value) >= 100 ? whole.format(value) : value.toFixed(1)) : "–");
const probabilityText = (p) => (p >= 0.01 ? p.toFixed(3) : p.toPrecision(2));

const given = (id) => Math.max(0, Number(by(id).value) || 0);

// A count among the rows, as it would be among a day's cases.
const daily = (count, [, tp, fp, fn, tn]) => (given("per-day") * count) / (tp + fp + fn + tn);

function expectedCost(row) {
  const [, , fp, fn] = row;
  return daily(given("cost-fp") * fp + given("cost-fn") * fn, row);
}

function lowest(values) {
  return values.reduce((best, value, i) => (value < values[best] ? i : best), 0);
}

function setCell(id, value, total) {
  const cell = by(id);
  cell.textContent = whole.format(value);
  cell.style.setProperty("--share", `${(100 * ratio(value, total) || 0).toFixed(1)}%`);
}

function drawCost(values, now) {
  // An alert for every case can cost so much more than no alert that the rest would look flat.
  const top = Math.min(Math.max(...values), 1.5 * Math.max(values.at(-1), values[now])) || 1;
  const x = (i) => (values.length > 1 ? (600 * i) / (values.length - 1) : 300);
  const line = values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)},${(86 - (80 * Math.min(v, top)) / top).toFixed(1)}`).join("");
  const mark = (i, kind) => `<line class="${kind}" x1="${x(i).toFixed(1)}" x2="${x(i).toFixed(1)}" y1="0" y2="90"/>`;
  by("cost-curve").innerHTML = `<path d="${line}"/>${mark(lowest(values), "least")}${mark(now, "now")}`;
}

function showThreshold(entry) {
  const index = Number(by("slider").value);
  const row = entry.rows[index];
  const [threshold, tp, fp, fn, tn] = row;
  const spent = entry.rows.map((r) => expectedCost(r));
  by("at").textContent = probabilityText(threshold);
  by("slider").setAttribute("aria-valuetext", probabilityText(threshold));
  setCell("tp", tp, tp + fn);
  setCell("fn", fn, tp + fn);
  setCell("fp", fp, fp + tn);
  setCell("tn", tn, fp + tn);
  by("recall").textContent = shareText(ratio(tp, tp + fn));
  by("precision").textContent = shareText(ratio(tp, tp + fp));
  by("alerts").textContent = large(daily(tp + fp, row));
  by("alerts-false").textContent = large(daily(fp, row));
  by("missed").textContent = large(daily(fn, row));
  by("cost").textContent = large(spent[index]);
  drawCost(spent, index);
}

function setUpSlider(entries) {
  const pick = by("slider-of");
  if (!pick) return;
  const entry = () => entries[pick.value];
  const moveTo = (index) => {
    by("slider").max = entry().rows.length - 1;
    by("slider").value = index;
    showThreshold(entry());
  };
  const announce = () => (by("reading").textContent = `Recall ${by("recall").textContent}, precision ${by("precision").textContent}, ${by("alerts").textContent} alerts a day.`);
  by("slider").addEventListener("input", () => showThreshold(entry()));
  by("slider").addEventListener("change", announce);
  for (const id of ["cost-fp", "cost-fn", "per-day"]) by(id).addEventListener("input", () => showThreshold(entry()));
  pick.addEventListener("change", () => moveTo(entry().start));
  by("own").addEventListener("click", () => moveTo(entry().start));
  by("cheapest").addEventListener("click", () => moveTo(lowest(entry().rows.map((r) => expectedCost(r)))));
  moveTo(entry().start);
}
