// Rebuilds the answers of a bundle, see starec_sim/viewer/compact.py, where the pages look for them.
const { nodes, root } = JSON.parse(document.getElementById("compact").textContent);
const built = [];
for (const node of nodes) built.push(Array.isArray(node) ? build(...node) : node);
function build(kind, ...rest) {
  if (kind === "numbers") return rest;
  const [first, ...others] = rest.map((place) => built[place]);
  if (kind === "object") return Object.fromEntries(first.map((key, at) => [key, others[at]]));
  const all = rest.length ? [first, ...others] : [];
  return kind === "lines" ? all.join("\n") : all;
}
const bundle = document.createElement("script");
bundle.type = "application/json";
bundle.id = "bundle";
bundle.textContent = JSON.stringify(built[root]);
document.head.append(bundle);
