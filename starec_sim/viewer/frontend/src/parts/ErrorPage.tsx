import { useRoute } from "../router";
import { quoted } from "../text";
import type { Failure } from "../types";
import { Text } from "./Text";

/** What went wrong, what to do, and near names. */
export function ErrorPage({ failure }: { failure: Failure }) {
  const { path } = useRoute();
  const run = path[0] === "run" ? (path[1] ?? null) : null;
  return (
    <div class="error" role="alert">
      <h1>
        <strong>error:</strong> <Sentence text={failure.error} run={run} />
      </h1>
      {failure.near && failure.near.length > 0 && (
        <p>
          near names: <Text>{failure.near.join(", ")}</Text>
        </p>
      )}
      {failure.hint && (
        <p>
          <strong>hint:</strong> <Sentence text={failure.hint} run={run} />
        </p>
      )}
      <p>
        <a href="#/runs">All runs</a>
      </p>
    </div>
  );
}

/** A message as the command line writes it: what stands in backticks is shown as code, and RUN in it
 * as the run of this page. */
function Sentence({ text, run }: { text: string; run: string | null }) {
  const filled = (code: string) => (run === null ? code : code.replace(/\bRUN\b/g, () => quoted(run)));
  return (
    <>
      {text.split(/`([^`]+)`/).map((part, index) =>
        index % 2 ? (
          <code key={index}>
            <Text>{filled(part)}</Text>
          </code>
        ) : (
          <Text key={index}>{part}</Text>
        ),
      )}
    </>
  );
}
