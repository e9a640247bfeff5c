// Loaded before the style sheets so that a dark page never flashes white.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try { return localStorage.getItem("theme") || "auto"; } catch { return "auto"; }
  };
  const show = () => {
    const theme = chosen();
    document.documentElement.dataset.bsTheme = theme === "auto" ? (dark.matches ? "dark" : "light") : theme;
    document.documentElement.dataset.themeChoice = theme;
  };
  window.chooseTheme = (theme) => {
    try { localStorage.setItem("theme", theme); } catch { /* private windows forget the choice */ }
    show();
  };
  dark.addEventListener("change", show);
  show();
})();
