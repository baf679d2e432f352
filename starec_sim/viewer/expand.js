// Unpacks the answers of a bundle, see starec_sim/viewer/compact.py, and starts the program.
const text = (id) => document.getElementById(id).textContent;
const packed = Uint8Array.from(atob(text("packed")), (character) => character.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
const nodes = await new Response(stream).json();
const parts = nodes.pop();
const built = [];
for (const node of nodes) built.push(Array.isArray(node) ? build(...node) : node);
function build(kind, ...rest) {
  if (kind === "numbers") return rest;
  const [first, ...others] = rest.map((place) => built[place]);
  if (kind === "object") return Object.fromEntries(first.map((key, at) => [key, others[at]]));
  const all = rest.length ? [first, ...others] : [];
  return kind === "lines" ? all.join("\n") : all;
}
globalThis.bundle = Object.assign({}, ...parts.map((place) => built[place]));
const program = document.createElement("script");
program.type = "module";
program.textContent = text("program");
document.body.append(program);
