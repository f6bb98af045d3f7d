// The threshold slider: rows are [threshold, tp, fp, fn, tn], ascending; every reading is exact there.
const PER = 10000;
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const by = (id) => document.getElementById(id);
const ratio = (a, b) => (b > 0 ? a / b : NaN);
const fixed = (value, places) => (Number.isFinite(value) ? value.toFixed(places) : "–");
const shareText = (value) => (Number.isFinite(value) ? `${(100 * value).toFixed(1)} %` : "–");
const large = (value) => (Number.isFinite(value) ? (Math.abs(value) >= 100 ? whole.format(value) : value.toFixed(1)) : "–");
const probabilityText = (p) => (p >= 0.01 ? p.toFixed(3) : p.toPrecision(2));

const costs = () => [by("cost-fp"), by("cost-fn")].map((input) => Math.max(0, Number(input.value) || 0));

function expectedCost([, tp, fp, fn, tn], [alarm, miss]) {
  return (PER * (alarm * fp + miss * fn)) / (tp + fp + fn + tn);
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
  // Flagging everyone can cost so much more than flagging no one that the rest would look flat.
  const top = Math.min(Math.max(...values), 1.5 * Math.max(values.at(-1), values[now])) || 1;
  const x = (i) => (values.length > 1 ? (600 * i) / (values.length - 1) : 300);
  const line = values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)},${(86 - (80 * Math.min(v, top)) / top).toFixed(1)}`).join("");
  const mark = (i, kind) => `<line class="${kind}" x1="${x(i).toFixed(1)}" x2="${x(i).toFixed(1)}" y1="0" y2="90"/>`;
  by("cost-curve").innerHTML = `<path d="${line}"/>${mark(lowest(values), "least")}${mark(now, "now")}`;
}

function showThreshold(entry) {
  const place = Number(by("slider").value);
  const row = entry.rows[place];
  const [threshold, tp, fp, fn, tn] = row;
  const spent = entry.rows.map((r) => expectedCost(r, costs()));
  by("at").textContent = probabilityText(threshold);
  by("slider").setAttribute("aria-valuetext", probabilityText(threshold));
  setCell("tp", tp, tp + fn);
  setCell("fn", fn, tp + fn);
  setCell("fp", fp, fp + tn);
  setCell("tn", tn, fp + tn);
  by("recall").textContent = shareText(ratio(tp, tp + fn));
  by("precision").textContent = shareText(ratio(tp, tp + fp));
  by("alarms").textContent = large((PER * fp) / (tp + fp + fn + tn));
  by("cost").textContent = large(spent[place]);
  drawCost(spent, place);
}

function setUpSlider(entries) {
  const pick = by("slider-of");
  if (!pick) return;
  const entry = () => entries[pick.value];
  const moveTo = (place) => {
    by("slider").max = entry().rows.length - 1;
    by("slider").value = place;
    showThreshold(entry());
  };
  const announce = () => (by("said").textContent = `Recall ${by("recall").textContent}, precision ${by("precision").textContent}.`);
  by("slider").addEventListener("input", () => showThreshold(entry()));
  by("slider").addEventListener("change", announce);
  by("cost-fp").addEventListener("input", () => showThreshold(entry()));
  by("cost-fn").addEventListener("input", () => showThreshold(entry()));
  pick.addEventListener("change", () => moveTo(entry().start));
  by("own").addEventListener("click", () => moveTo(entry().start));
  by("cheapest").addEventListener("click", () => moveTo(lowest(entry().rows.map((r) => expectedCost(r, costs())))));
  moveTo(entry().start);
}
