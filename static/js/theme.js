// Let the reader choose between dark and light. The cookie is what the server draws the next page by.

const YEAR_SECONDS = 365 * 24 * 3600;

function shown() {
  const chosen = document.documentElement.dataset.theme;
  return chosen || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

const button = document.querySelector("[data-theme-switch]");
button.hidden = false;
button.addEventListener("click", () => {
  const theme = shown() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
  document.dispatchEvent(new CustomEvent("themechange", { detail: theme }));
});
