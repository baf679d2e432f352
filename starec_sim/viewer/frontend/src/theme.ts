// Dark or light: as the system says, until the reader or `theme=dark` in the URL chooses.

import { useEffect, useState } from "preact/hooks";

export type Theme = "light" | "dark";
const KEY = "starec-theme";

function stored(): Theme | null {
  try {
    return localStorage.getItem(KEY) as Theme | null;
  } catch {
    return null; // a page from a file may have no storage
  }
}

const system = matchMedia("(prefers-color-scheme: dark)");

function store(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // the choice lasts for this page only
  }
}

/** Return the theme and a function that chooses the other one. */
export function useTheme(fromUrl: string | null): [Theme, () => void] {
  const [chosen, setChosen] = useState<Theme | null>(stored);
  const [dark, setDark] = useState(system.matches);
  useEffect(() => {
    const follow = () => setDark(system.matches);
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  const choose = (theme: Theme) => {
    store(theme);
    setChosen(theme);
  };
  useEffect(() => {
    if (fromUrl === "dark" || fromUrl === "light") choose(fromUrl);
  }, [fromUrl]);
  const theme = chosen ?? (dark ? "dark" : "light");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    dispatchEvent(new Event("themechange"));
  }, [theme]);
  return [theme, () => choose(theme === "dark" ? "light" : "dark")];
}
