import { brief, visible } from "../text";
import type { SlatePlace } from "../types";
import { Stars } from "./Stars";
import { Table, type Column } from "./Table";

/** What she was shown: what she knew of it on the left, what nobody told her on the right. */
export function Slate({ places, narrow = false }: { places: SlatePlace[]; narrow?: boolean }) {
  const columns = slateColumns(places).filter(({ name }) => !narrow || !WIDE.includes(name));
  return (
    <Table
      id="slate"
      caption="Slate"
      hideCaption
      columns={columns}
      rows={places}
      rowKey={(place) => place.position}
      rowClass={(place) => [chosen(place) && "picked", place.target && "target"].filter(Boolean).join(" ")}
    />
  );
}

/** Columns that are left out where two slates stand beside each other. */
const WIDE = ["label", "attributes", "score"];

const chosen = (place: SlatePlace) => place.watched === true || place.rank === 1;

/** Whether something else than watching was offered: the actions are named then. */
export function acts(places: SlatePlace[]): boolean {
  return places.some((place) => place.action && !/^(watch|skip)\b/.test(place.action));
}

/** Columns without any value are left out. */
export function slateColumns(places: SlatePlace[]): Column<SlatePlace>[] {
  const has = (name: keyof SlatePlace) =>
    places.some((place) => place[name] !== null && place[name] !== undefined);
  const all: (Column<SlatePlace> | false)[] = [
    { name: "position", head: "#", about: "Position on the slate", value: (place) => place.position },
    { name: "label", head: "label", value: (place) => place.label },
    {
      name: "title",
      head: "item",
      nowrap: true,
      value: (place) => place.item.title,
      cell: (place) => (
        <>
          <span class="title" title={visible(place.item.id)}>
            {brief(place.item.title)}
          </span>
          {place.target && <span class="tag">target</span>}
        </>
      ),
    },
    {
      name: "attributes",
      head: "attributes",
      plain: true,
      value: (place) => Object.values(place.item.attributes).flat().join(", "),
      cell: (place) => (
        <span class="quiet">
          {brief(
            Object.values(place.item.attributes)
              .map((each) => each.join(", "))
              .join(" · "),
          )}
        </span>
      ),
    },
    has("score") && {
      name: "score",
      head: "score",
      about: "The recommender's score",
      value: (place) => place.score,
    },
    has("rank") && { name: "rank", head: "her rank", value: (place) => place.rank },
    acts(places) && { name: "action", head: "did", value: (place) => place.action ?? "", filters: true },
    has("watched") &&
      !acts(places) && {
        name: "watched",
        head: "watched",
        value: (place) => (place.watched ? "yes" : "no"),
        filters: true,
      },
    has("expected") && {
      name: "expected",
      head: "expects",
      about: "The stars that she expects",
      value: (place) => place.expected,
      left: true,
      cell: (place) => <Stars value={place.expected} />,
    },
    has("rating") && {
      name: "rating",
      head: "lived",
      about: "Her true rating, where this step revealed it",
      value: (place) => place.rating,
      left: true,
      cell: (place) => <Stars value={place.rating} kind="true" />,
    },
    has("truth") && {
      name: "truth",
      head: "hidden truth",
      about: "What she would rate it; nobody told her",
      value: (place) => place.truth,
      left: true,
      cell: (place) => <Stars value={place.truth} kind="hidden-truth" />,
    },
  ];
  return all.filter((column) => column !== false);
}
