import type { Failure } from "../types";
import { Text } from "./Text";

/** What went wrong, what to do, and near names. */
export function ErrorPage({ failure }: { failure: Failure }) {
  return (
    <div class="error" role="alert">
      <h1>
        <strong>error:</strong> <Text>{failure.error}</Text>
      </h1>
      {failure.near && failure.near.length > 0 && (
        <p>
          near names: <Text>{failure.near.join(", ")}</Text>
        </p>
      )}
      {failure.hint && (
        <p>
          <strong>hint:</strong> <Text>{failure.hint}</Text>
        </p>
      )}
      <p>
        <a href="#/runs">All runs</a>
      </p>
    </div>
  );
}
