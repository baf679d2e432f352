"""The views on a record that `starec sql` reads, and what their columns mean.

Arms, users and items have their names, and rounds and steps count from 1, as everywhere that people
look. Columns whose name ends with `_json` hold JSON, for SQLite's json_each and json_extract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from starec_sim.runs.attempts import ATTEMPTS


class View(NamedTuple):
    """One view."""

    about: str
    columns: Mapping[str, str]
    """The meaning of each column, in order."""
    select: str
    """Empty for a table that is filled from files."""


_TRIAL = {"arm": "the arm", "seed": "the seed of the trial"}
_AT = {
    **_TRIAL,
    "round": "from 1",
    "user": "the user's id in the dataset",
    "step": "from 1 within the visit",
}
_SELECT_AT = "t.arm, t.seed, r.round + 1 AS round, u.id AS user, s.step + 1 AS step"
# In this order, so that a condition on rounds or users leaves most steps unread.
_VISITORS = (
    "main.trials t CROSS JOIN main.rounds r ON r.trial = t.trial "
    "CROSS JOIN main.users u ON u.trial = t.trial "
)
_STEPS = (
    _VISITORS + "CROSS JOIN main.steps s ON (s.trial, s.round, s.user) = (t.trial, r.round, u.user)"
)
_ACTIONS = (
    "FROM json_each(s.decision, '$.actions') a WHERE json_extract(a.value, '$[0]') = shown.value"
)
"""What a user did with one item of the slate."""

VIEWS: Mapping[str, View] = {
    "trials": View(
        "One arm with one seed.",
        {
            **_TRIAL,
            "rounds": "rounds committed",
            "facts_json": "what the environment says of itself",
        },
        "SELECT t.arm, t.seed, (SELECT COUNT(*) FROM main.rounds r WHERE r.trial = t.trial) "
        "AS rounds, t.facts AS facts_json FROM main.trials t",
    ),
    "users": View(
        "The users of each trial.",
        {**_TRIAL, "user": "the id in the dataset", "profile_json": "traits by name"},
        "SELECT t.arm, t.seed, u.id AS user, u.profile AS profile_json "
        "FROM main.users u JOIN main.trials t ON t.trial = u.trial",
    ),
    "items": View(
        "The catalogue of each trial.",
        {
            **_TRIAL,
            "item": "the id in the dataset",
            "title": "the title",
            "attributes_json": "lists of values by name",
        },
        "SELECT t.arm, t.seed, i.id AS item, i.title, i.attributes AS attributes_json "
        "FROM main.items i JOIN main.trials t ON t.trial = i.trial",
    ),
    "steps": View(
        "One pass of observation, decision and feedback.",
        {
            **_AT,
            "task": "ranking or feed",
            "page": "from 1",
            "shown": "items on the slate",
            "left": "1 if the user leaves after this step",
            "flaws_json": "what is wrong with the answer, by kind; {} for a clean one",
            "repaired": "1 if a repair was asked for",
            "target": "the item chosen in the data (ranking), or null",
            "ending": "why the visit ends here; empty while it goes on",
            "slow": "1 if the gate asks the slow node",
            "reason": "the gate's reason",
            "summary": "the preference summary after the step",
        },
        f"SELECT {_SELECT_AT}, json_extract(s.observation, '$[0]') AS task, "
        "json_extract(s.observation, '$[1]') AS page, "
        "json_array_length(s.observation, '$[2]') AS shown, "
        "IFNULL(json_extract(s.decision, '$.leave'), 0) AS left, "
        "IFNULL(json_extract(s.decision, '$.flaws'), '{}') AS flaws_json, "
        "IFNULL(json_extract(s.decision, '$.repaired'), 0) AS repaired, "
        "(SELECT i.id FROM main.items i WHERE i.trial = s.trial "
        "AND i.item = json_extract(s.feedback, '$.target')) AS target, "
        "IFNULL(json_extract(s.feedback, '$.ending'), '') AS ending, "
        f"s.slow, s.reason, text_of(s.summary) AS summary FROM {_STEPS}",
    ),
    "impressions": View(
        "One item shown in one step.",
        {
            **_AT,
            "place": "on the slate, from 1",
            "item": "the id in the dataset",
            "title": "the title",
            "watched": "1 if she did anything with it (in a feed: watched it), else 0; null in a "
            "ranking",
            "expected": "stars that the user expects of it in a feed, or null",
            "action": "what she did with it: watch 4, look at, buy 2; null in a ranking",
            "rank": "in the answer, from 1; null in a feed and where the answer leaves it out",
            "lived": "true stars, where the step revealed them",
            "chosen": "1 if the user chose it in the data, else 0; null in a feed",
            "slow": "1 if the slow node was asked after this step",
        },
        f"SELECT {_SELECT_AT}, shown.key + 1 AS place, i.id AS item, i.title, "
        f"(SELECT MAX(json_extract(a.value, '$[1]') <> 0) {_ACTIONS}) AS watched, "
        "(SELECT MAX(CASE WHEN json_extract(a.value, '$[1]') = 1 THEN json_extract(a.value, "
        f"'$[2]') END) {_ACTIONS}) AS expected, "
        "(SELECT GROUP_CONCAT(CASE json_extract(a.value, '$[1]') WHEN 0 THEN 'skip' WHEN 1 THEN "
        "'watch' ELSE json_extract(a.value, '$[1]') END || IFNULL(' ' || CAST(json_extract("
        f"a.value, '$[2]') AS TEXT), ''), ', ') {_ACTIONS}) AS action, "
        "(SELECT r.key + 1 FROM json_each(s.decision, '$.ranking') r WHERE r.value = shown.value "
        "AND r.key < json_extract(s.decision, '$.read')) AS rank, "
        "(SELECT json_extract(e.value, '$[1]') FROM json_each(s.feedback, '$.lived') e "
        "WHERE json_extract(e.value, '$[0]') = shown.value) AS lived, "
        "json_extract(s.feedback, '$.target') = shown.value AS chosen, s.slow "
        f"FROM {_STEPS} CROSS JOIN json_each(s.observation, '$[2]') shown "
        "CROSS JOIN main.items i ON i.trial = s.trial AND i.item = shown.value",
    ),
    "turns": View(
        "One call of a policy in a committed round.",
        {
            **_AT,
            "node": "fast or slow",
            "attempt": ATTEMPTS,
            "policy": "its name in the configuration",
            "prompt": "all messages, each after its role",
            "answer": "the text of the policy",
            "tokens_in": "as the policy reports them, or null",
            "tokens_out": "as the policy reports them, or null",
            "latency_s": "seconds until the answer",
            "cost_usd": "null without a price",
            "source": "model, cache or replay",
            "tries": "requests sent",
            "failure": "why there is no answer; empty if there is one",
            "error": "why the answer could not be read; empty if it could",
        },
        f"SELECT {_SELECT_AT}, s.node, s.attempt, s.policy, prompt_of(s.messages) AS prompt, "
        "text_of(s.completion) AS answer, s.tokens_in, s.tokens_out, s.latency_s, s.cost_usd, "
        f"s.source, s.tries, s.failure, s.error FROM {_STEPS.replace('main.steps', 'main.turns')}",
    ),
    "memories": View(
        "What each user remembers after the last committed round.",
        {
            **_TRIAL,
            "user": "the id in the dataset",
            "steps": "steps so far",
            "remembered": "experiences in memory",
            "summary": "the preference summary",
        },
        "SELECT t.arm, t.seed, u.id AS user, json_extract(m.memory, '$[2]') AS steps, "
        "json_array_length(m.memory, '$[0]') AS remembered, "
        "json_extract(m.memory, '$[1]') AS summary FROM main.memories m "
        "JOIN main.trials t ON t.trial = m.trial "
        "JOIN main.users u ON u.trial = m.trial AND u.user = m.user",
    ),
    "rewards": View(
        "One component of the reward of one step.",
        {**_AT, "component": "its name", "value": "without its weight"},
        f"SELECT {_SELECT_AT}, w.key AS component, w.value AS value "
        f"FROM {_STEPS} CROSS JOIN json_each(s.feedback, '$.reward') w",
    ),
    "visits": View(
        "One metric of one visit.",
        {**_TRIAL, "round": "from 1", "user": "the id", "metric": "its name", "value": "its value"},
        "SELECT t.arm, t.seed, r.round + 1 AS round, u.id AS user, f.key AS metric, f.value AS "
        f"value FROM {_VISITORS} CROSS JOIN main.visits v "
        "ON (v.trial, v.round, v.user) = (t.trial, r.round, u.user) "
        "CROSS JOIN json_each(v.figures) f",
    ),
    "metrics": View(
        "One metric of one round.",
        {**_TRIAL, "round": "from 1", "metric": "its name", "value": "null where there is none"},
        "SELECT t.arm, t.seed, m.round + 1 AS round, m.name AS metric, m.value FROM main.metrics m "
        "JOIN main.trials t ON t.trial = m.trial",
    ),
    "rollouts": View(
        "One answer that a step of a training learns from (trainings only).",
        {
            "step": "the training step, from 1",
            "grouped": "the group: answers to one question, which the advantage compares",
            "node": "fast or slow",
            "reward": "the weighted sum of the components",
            "components_json": "values by name",
            "version": "the weights that answered",
            "temperature": "of the sampling",
            "tokens": "sampled tokens",
        },
        "",
    ),
}
"""All views by name."""
