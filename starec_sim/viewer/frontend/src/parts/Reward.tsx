import { number, signed, visible } from "../text";
import { COLOURS } from "./Chart";

interface Component {
  name: string;
  value: number;
  weight: number | null;
  weighted: number;
}

/** The components of a reward; without weights each counts as it is. */
export function components(
  reward: Record<string, number>,
  weights?: Record<string, number> | null,
): Component[] {
  return Object.entries(reward).map(([name, value]) => {
    const weight = weights ? (weights[name] ?? null) : null;
    return { name, value, weight, weighted: value * (weight ?? (weights ? 0 : 1)) };
  });
}

/** Weighted components that the environment does not report: the training adds them. */
export function missing(reward: Record<string, number>, weights?: Record<string, number> | null): string[] {
  return Object.keys(weights ?? {}).filter((name) => !(name in reward));
}

export function total(parts: Component[]): number {
  return parts.reduce((sum, part) => sum + part.weighted, 0);
}

const WIDTH = 360;

/** A reward as one stacked bar, with its numbers. Losses stand left of zero, and are paler. */
export function RewardBar({
  reward,
  weights,
}: {
  reward: Record<string, number>;
  weights?: Record<string, number> | null | undefined;
}) {
  const parts = components(reward, weights);
  if (!parts.length) return <p class="quiet">This step gives no reward.</p>;
  const losses = parts.reduce((sum, part) => sum + Math.max(0, -part.weighted), 0);
  const gains = parts.reduce((sum, part) => sum + Math.max(0, part.weighted), 0);
  const scale = WIDTH / Math.max(gains + losses, 1e-9);
  let right = losses * scale;
  let left = right;
  const added = missing(reward, weights);
  const words = parts.map((part) => `${part.name} ${number(part.weighted)}`).join(", ");
  return (
    <div class="reward">
      <svg width={WIDTH} height="16" role="img" aria-label={visible(`Reward: ${words}`)}>
        {parts.map((part, index) => {
          const width = Math.abs(part.weighted) * scale;
          const lost = part.weighted < 0;
          const x = lost ? (left -= width) : (right += width) - width;
          const colour = `fill-${index % COLOURS}${lost ? " loss" : ""}`;
          return <rect key={part.name} x={x} width={width} y="1" height="14" class={colour} />;
        })}
        <line x1={losses * scale} x2={losses * scale} y1="0" y2="16" class="zero" />
      </svg>
      <table>
        <caption class="hidden">Reward by component</caption>
        <thead>
          <tr>
            <th scope="col">component</th>
            <th scope="col" class="number">
              value
            </th>
            {weights && (
              <th scope="col" class="number">
                weight
              </th>
            )}
            {weights && (
              <th scope="col" class="number">
                counts
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {parts.map((part, index) => (
            <tr key={part.name}>
              <th scope="row">
                <svg width="10" height="10" aria-hidden="true">
                  <rect width="10" height="10" class={`fill-${index % COLOURS}`} />
                </svg>{" "}
                {visible(part.name)}
              </th>
              <td class="number">{number(part.value)}</td>
              {weights && <td class="number">{number(part.weight)}</td>}
              {weights && <td class="number">{signed(part.weighted)}</td>}
            </tr>
          ))}
          <tr class="sum">
            <th scope="row">{!weights ? "sum, unweighted" : added.length ? "sum of these" : "reward"}</th>
            <td class="number" colSpan={weights ? 3 : 1}>
              {number(total(parts))}
            </td>
          </tr>
        </tbody>
      </table>
      {added.length > 0 && (
        <p class="quiet">
          The training adds {added.map((name) => `${visible(name)} × ${number(weights?.[name])}`).join(", ")}.
        </p>
      )}
    </div>
  );
}
