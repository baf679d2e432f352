import { render } from "preact";
import { App } from "./App";
import { about } from "./bundle";
import { href } from "./router";
import "./style.css";

// A bundle of one run opens on that run.
const [only, ...others] = about()?.runs ?? [];
if (only !== undefined && !others.length && !location.hash)
  history.replaceState(null, "", href(["run", only]));

const root = document.getElementById("app");
if (root) render(<App />, root);
