import { go, withParams, type Route } from "../router";
import { visible } from "../text";
import type { Address, Failure, RunRow } from "../types";

/** The arm and seed that the URL names, else the first. */
export function trialOf(run: RunRow, route: Route): { arm: string; seed: number } {
  return {
    arm: route.params.get("arm") ?? run.arms[0] ?? "",
    seed: Number(route.params.get("seed") ?? run.seeds[0] ?? 0),
  };
}

/** The step that the path names: .../USER/ROUND/STEP; null when its numbers are none. */
export function stepOf(run: RunRow, route: Route): Address | null {
  const [, , , user = "", round = "", step = "1"] = route.path;
  if (!user || !/^[1-9]\d*$/.test(round) || !/^[1-9]\d*$/.test(step)) return null;
  return { ...trialOf(run, route), user, round: Number(round), step: Number(step) };
}

export const NO_STEP: Failure = {
  error: "The address names no step.",
  hint: "it ends in USER/ROUND/STEP, and rounds and steps count from 1; choose one under People",
};

/** Chooses an arm and a seed where there are several. */
export function TrialChoice({ run, route }: { run: RunRow; route: Route }) {
  const { arm, seed } = trialOf(run, route);
  const choose = (name: string, value: string) => go(withParams(route, { [name]: value, offset: null }));
  return (
    <>
      {run.arms.length > 1 && (
        <Choice label="arm" value={arm} options={run.arms} choose={(value) => choose("arm", value)} />
      )}
      {run.seeds.length > 1 && (
        <Choice
          label="seed"
          value={String(seed)}
          options={run.seeds.map(String)}
          choose={(value) => choose("seed", value)}
        />
      )}
    </>
  );
}

export function Choice({
  label,
  value,
  options,
  choose,
  none,
}: {
  label: string;
  value: string;
  options: string[];
  choose: (value: string) => void;
  /** The text of the option without a value. */
  none?: string;
}) {
  return (
    <label class="choice">
      {label}{" "}
      <select value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {none !== undefined && <option value="">{none}</option>}
        {options.map((each) => (
          <option key={each} value={each}>
            {visible(each)}
          </option>
        ))}
      </select>
    </label>
  );
}
