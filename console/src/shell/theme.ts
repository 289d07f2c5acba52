/** The colour scheme: the system's, or a choice kept in a cookie that public/theme.js reads before the first paint. */
export type Theme = "system" | "light" | "dark";

const COOKIE = "sublet_theme";
const YEAR_SECONDS = 365 * 24 * 3600;

export function chosenTheme(): Theme {
  const found = document.documentElement.dataset.theme;
  return found === "light" || found === "dark" ? found : "system";
}

export function chooseTheme(theme: Theme): void {
  if (theme === "system") {
    delete document.documentElement.dataset.theme;
    document.cookie = `${COOKIE}=; path=/; max-age=0; samesite=lax`;
  } else {
    document.documentElement.dataset.theme = theme;
    document.cookie = `${COOKIE}=${theme}; path=/; max-age=${YEAR_SECONDS}; samesite=lax`;
  }
}
