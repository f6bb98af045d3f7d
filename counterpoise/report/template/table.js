// Sorting: a click on a heading orders the rows by their data attribute; failed rows stay last.
const keyOf = (row, key) => row.dataset[key.replace(/_(\w)/g, (_, c) => c.toUpperCase())] ?? "";

function compareRows(key, sign) {
  return (a, b) => {
    const [x, y] = [keyOf(a, key), keyOf(b, key)];
    if (x === "" || y === "") return (x === "") - (y === "");
    return sign * (key === "name" || key === "model" ? x.localeCompare(y) : Number(x) - Number(y));
  };
}

function sortBy(button) {
  const head = button.closest("th");
  const table = button.closest("table");
  const up = head.getAttribute("aria-sort") !== "ascending";
  for (const th of table.tHead.rows[0].cells) th.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compareRows(button.dataset.key, up ? 1 : -1)));
  document.getElementById("sorted").textContent = `Sorted by ${button.textContent}, ${up ? "ascending" : "descending"}.`;
}

function showConfusion(name) {
  for (const pair of document.querySelectorAll("[data-confusion]")) pair.hidden = pair.dataset.confusion !== name;
}

function setUpTables() {
  for (const button of document.querySelectorAll(".sortable thead button")) {
    button.addEventListener("click", () => sortBy(button));
  }
  const pick = document.getElementById("confusion-of");
  pick?.addEventListener("change", () => showConfusion(pick.value));
  if (pick) showConfusion(pick.value);
}
