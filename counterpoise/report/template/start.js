// The theme follows the system until the button is pressed; the choice is kept where storage is allowed.
function setUpTheme() {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const label = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colors`);
  };
  try {
    const kept = localStorage.getItem("counterpoise-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* no storage: the system's choice holds */ }
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("counterpoise-theme", root.dataset.theme); } catch { /* not kept */ }
    label();
  });
  system.addEventListener("change", label);
  label();
}

const payload = JSON.parse(document.getElementById("payload").textContent);
setUpTheme();
setUpTables();
setUpSlider(payload.slider);
setUpCharts(payload.specs);
