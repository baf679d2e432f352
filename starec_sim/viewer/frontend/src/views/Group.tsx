import { useState } from "preact/hooks";
import { api, stepHref, useData } from "../api";
import type { ViewProps } from "../App";
import { mdBlock, mdPage } from "../markdown";
import { Chips } from "../parts/Chips";
import { Await, PageHead, Part } from "../parts/Page";
import { asMarkdown, Table, type Column } from "../parts/Table";
import { TokenLine } from "../parts/TokenLine";
import { Rendered } from "../parts/TurnCard";
import { href } from "../router";
import { leavingOut, python, showCommand, whyCommand } from "../snippets";
import { count, number, signed, visible } from "../text";
import type { Group } from "../types";

type Member = Group["members"][number];

/** Which of the answers to one question was reinforced, and how strongly? */
export function GroupView({ run, route }: ViewProps) {
  const step = route.params.get("step");
  const name = route.params.get("group");
  const loaded = useData<Group>(api(run.name, "group", { step, group: name }));
  return (
    <Await of={loaded}>
      {(group) => {
        const table = columns(group);
        return (
          <>
            <PageHead
              title={titleOf(group)}
              copy={{
                json: group,
                markdown: () =>
                  mdPage(
                    `${titleOf(group)}: group ${group.group} of step ${group.step}`,
                    asMarkdown(table, group.members),
                    ...group.members.map((member) => member.text && mdBlock(member.text)),
                  ),
                command: group.at ? whyCommand(run, group.at) : leavingOut(showCommand(run), "this group"),
                python: python(run, "rollouts", {
                  step: group.step,
                  group: group.group,
                }),
              }}
            >
              group {visible(group.group)} of{" "}
              <a href={href(["run", run.name, "training"], { step: group.step })}>step {group.step}</a> ·{" "}
              {group.at && (
                <>
                  <a href={stepHref(run.name, group.at)}>the question</a> ·{" "}
                </>
              )}
              mean {number(group.mean)}, deviation {number(group.std)}
              {group.pairs && ` · ${count(group.pairs.length, "pair")}, learned from with DPO`}
              {group.zero_variance && (
                <strong class="warn"> · all earned the same: the group teaches nothing</strong>
              )}
            </PageHead>
            <Chips />
            <Table
              id="members"
              caption="Members"
              hideCaption
              columns={table}
              rows={group.members}
              rowKey={(member) => member.number}
            />
            <Part name="Answers" note="Side by side, best first." wide>
              <div class="members" tabIndex={0} role="group" aria-label="Answers, best first">
                {[...group.members]
                  .sort((a, b) => (b.advantage ?? b.reward) - (a.advantage ?? a.reward))
                  .map((member) => (
                    <Answer key={member.number} member={member} learned={learnedAs(group, member)} />
                  ))}
              </div>
            </Part>
          </>
        );
      }}
    </Await>
  );
}

function titleOf({ at, members, group }: Group): string {
  return at
    ? `${count(members.length, "answer")} to ${at.user}, round ${at.round}, step ${at.step}`
    : `Group ${group}`;
}

function columns(group: Group): Column<Member>[] {
  const names = [...new Set(group.members.flatMap((member) => Object.keys(member.components)))];
  return [
    { name: "number", head: "#", value: (member) => member.number },
    { name: "reward", head: "reward", value: (member) => member.reward },
    ...names.map((name): Column<Member> => ({
      name,
      head: visible(name),
      value: (member) => member.components[name],
    })),
    ...(group.pairs ? pairColumns(group) : advantageColumns(group)),
    { name: "tokens", head: "tokens", value: (member) => member.tokens },
    { name: "version", head: "weights", value: (member) => member.version, filters: true },
  ];
}

function advantageColumns(group: Group): Column<Member>[] {
  const largest = Math.max(1e-9, ...group.members.map((member) => Math.abs(member.advantage ?? 0)));
  return [
    {
      name: "advantage",
      head: "advantage",
      value: (member) => member.advantage,
      cell: (member) => signed(member.advantage),
    },
    {
      name: "bar of the advantage",
      head: "",
      plain: true,
      value: () => null,
      cell: (member) => <AdvantageBar share={(member.advantage ?? 0) / largest} />,
    },
  ];
}

/** Of DPO: which answer was preferred to which, and how much more it earned. */
function pairColumns(group: Group): Column<Member>[] {
  return [
    { name: "pair", head: "pair", value: (member) => pairOf(group, member)?.number },
    {
      name: "role",
      head: "role",
      value: (member) => pairOf(group, member)?.role ?? "in no pair",
      filters: true,
    },
    { name: "margin", head: "margin of reward", value: (member) => pairOf(group, member)?.margin },
  ];
}

function pairOf(group: Group, member: Member) {
  const pairs = group.pairs ?? [];
  const pair = pairs.find((each) => [each.chosen, each.rejected].includes(member.number));
  return (
    pair && {
      number: pairs.indexOf(pair) + 1,
      role: pair.chosen === member.number ? "chosen" : "rejected",
      margin: pair.margin,
    }
  );
}

function learnedAs(group: Group, member: Member): string {
  if (!group.pairs) return `advantage ${signed(member.advantage)}`;
  const pair = pairOf(group, member);
  return pair ? `${pair.role} in pair ${pair.number}` : "in no pair";
}

/** A bar right of the middle for what was reinforced, left of it for what was weakened. */
function AdvantageBar({ share }: { share: number }) {
  const width = Math.abs(share) * 60;
  return (
    <svg width="124" height="12" aria-hidden="true">
      <rect
        x={share < 0 ? 62 - width : 62}
        width={width}
        y="2"
        height="8"
        class={share < 0 ? "worse" : "better"}
      />
      <line x1="62" x2="62" y1="0" y2="12" class="zero" />
    </svg>
  );
}

function Answer({ member, learned }: { member: Member; learned: string }) {
  const [tokens, setTokens] = useState(false);
  return (
    <section class="card" aria-label={`Answer ${member.number}`}>
      <h3>
        Answer {member.number}{" "}
        <span class="quiet">
          reward {number(member.reward)}, {learned}
        </span>
      </h3>
      {member.tokens_colored && (
        <button class="link" aria-pressed={tokens} onClick={() => setTokens(!tokens)}>
          {tokens ? "show the text" : "show its tokens"}
        </button>
      )}
      {tokens && member.tokens_colored ? (
        <TokenLine tokens={member.tokens_colored} />
      ) : member.text === null ? (
        <p class="quiet">Its text is not on record.</p>
      ) : (
        <Rendered text={member.text} lines={30} />
      )}
    </section>
  );
}
