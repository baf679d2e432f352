import type { ComponentChildren } from "preact";
import { useRoute, withFilter } from "../router";
import { Text } from "./Text";

/** The filters of this page; each can be removed. */
export function Chips() {
  const route = useRoute();
  const filters = route.params.getAll("where");
  if (!filters.length) return null;
  return (
    <ul class="chips" aria-label="Filters">
      {filters.map((filter) => (
        <li key={filter}>
          <a class="chip" href={withFilter(route, filter, false)} title="Remove this filter">
            <Text>{shown(filter)}</Text>
            <span aria-hidden="true"> ×</span>
            <span class="hidden">, remove</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

/** "left_round:7" as "left round: 7". */
function shown(filter: string): string {
  const [field = "", value = ""] = filter.split(/:(.*)/s);
  return `${field.replace(/_/g, " ")}: ${value}`;
}

/** A value of a table: a click keeps the rows that have it. */
export function Value({
  field,
  value,
  children,
}: {
  field: string;
  value: string;
  children?: ComponentChildren;
}) {
  const route = useRoute();
  return (
    <a class="value" href={withFilter(route, `${field}:${value}`, true)} title={`Only ${field}: ${value}`}>
      {children ?? <Text>{value}</Text>}
    </a>
  );
}

/** The traits of a person in one line. */
export function Traits({ profile }: { profile: Record<string, string> }) {
  return (
    <dl class="traits">
      {Object.entries(profile).map(([name, value]) => (
        <div key={name}>
          <dt>
            <Text>{name}</Text>
          </dt>
          <dd>
            <Text>{value}</Text>
          </dd>
        </div>
      ))}
    </dl>
  );
}
