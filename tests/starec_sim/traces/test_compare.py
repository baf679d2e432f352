"""Two runs that differ in one known place are compared."""

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from starec_sim.cli.diff_view import comparison_as_markdown, print_comparison
from starec_sim.errors import RunError
from starec_sim.glossary import verdict_word
from starec_sim.learning.trials import FIRST_VALIDATION_TRIAL, validation_arm
from starec_sim.metrics import Interval
from starec_sim.report import ArmDifference, MetricSamples
from starec_sim.runs.open_record import read_only
from starec_sim.runs.reader import Reader
from starec_sim.runs.schema import FILE
from starec_sim.runs.sql_console import QueryLimits, query
from starec_sim.runs.store import Store
from starec_sim.stored_summary import run_summary
from starec_sim.tasks import FEED
from starec_sim.traces.compare import _metrics, compare
from starec_sim.traces.sides import Choice
from starec_sim.types import Action, Decision, Experience, Feedback, Memory, Observation, Verdict
from tests.starec_sim.runs.lives import turn

PARTS = {
    "observation": {"observation": Observation(FEED, (2, 3), ("card", "card"))},
    "prompt": {"turns": (replace(turn("answer 1 1"), messages=(("user", "Another"),)),)},
    "answer": {"turns": (replace(turn("answer 1 1"), completion="another answer"),)},
    "decision": {"decision": Decision(actions=(Action(1, "skip"), Action(2, "watch", 2.0)))},
    "feedback": {"feedback": Feedback((Experience(1, 2.0, "world"),), ending="left")},
    "gate": {"verdict": Verdict(True, "a surprise")},
    "memory": {"memory": Memory((), "War: disliked", 2)},
}


@pytest.mark.parametrize("part", PARTS)
def test_the_first_difference_names_the_part_of_the_step_that_was_changed(write, changed, part):
    other = write("b", changed(1, 1, **PARTS[part]))
    found = compare(write("a"), other).first_difference
    assert found is not None
    assert (found.at.user, found.at.round, found.at.step, found.part) == ("u1", 2, 1, part)
    assert found.a != found.b


def test_equal_runs_have_no_difference_and_equal_metrics(write):
    found = compare(write("a"), write("b"))
    assert found.first_difference is None
    assert found.same_world
    assert {metric.verdict for metric in found.metrics} == {"equal"}
    assert found.configuration == found.versions == ()


def test_the_first_difference_is_the_one_of_the_earliest_round_and_user(write, changed):
    late = changed(0, 1, **PARTS["memory"])
    early = changed(2, 0, **PARTS["decision"])
    found = compare(write("a"), write("b", lambda visit: late(early(visit)))).first_difference
    assert (found.at.user, found.at.round) == ("u2", 1)


def test_a_round_with_another_digest_in_which_nothing_was_decided_otherwise_is_no_difference(
    write, changed
):
    renamed = changed(0, 0, turns=(replace(turn("answer 0 0"), policy="another name"),))
    a, b = write("a"), write("b", renamed)
    assert compare(a, b).first_difference is None


def test_the_reason_of_a_gate_alone_is_no_difference(write, changed):
    other = write("b", changed(1, 1, verdict=Verdict(False, "in other words")))
    assert compare(write("a"), other).first_difference is None


def test_items_are_compared_by_their_ids_if_their_rows_differ(write):
    a, b = write("a"), write("b")
    store = Store(b)
    with store.transaction():
        # Items 0 and 5 change places in the second catalogue, and in everything that names them.
        store.db.execute(
            "UPDATE items SET id = CASE id WHEN 'i0' THEN 'i5' ELSE 'i0' END "
            "WHERE id IN ('i0', 'i5')"
        )
        store.db.execute("UPDATE trials SET world = 'another'")
        store.db.execute("UPDATE rounds SET digest = 'another'")
    store.close()
    found = compare(a, b)
    assert not found.same_world
    assert found.first_difference.part == "observation"
    assert found.first_difference.a == "page 1: i0, i1"
    assert found.first_difference.b == "page 1: i5, i1"


def test_the_steps_of_one_user_are_compared_one_by_one(write, changed):
    a, b = write("a"), write("b", changed(1, 1, **PARTS["memory"]))
    found = compare(a, b, user="u1")
    assert [(step.at.round, step.same, step.parts) for step in found.steps] == [
        (1, True, ()),
        (2, False, ("memory",)),
    ]
    with pytest.raises(RunError, match='"u9"'):
        compare(a, b, user="u9")


def test_two_arms_of_one_run_are_compared(write):
    run = write("a", trials=(("loop", 7), ("frozen", 7)))
    found = compare(run, run)
    assert (found.a.arm, found.b.arm) == ("loop", "frozen")
    assert compare(run, run, Choice("frozen"), Choice("loop")).a.arm == "frozen"
    with pytest.raises(RunError, match='both sides are the arm "loop"'):
        compare(run, run, Choice("loop"), Choice("loop"))
    with pytest.raises(RunError, match='did you mean "frozen"'):
        compare(run, run, Choice("frozn"), Choice("loop"))


def test_an_arm_that_has_not_begun_is_told_from_one_that_is_not_there(write):
    run = write("a", arms=["main", "frozen"])
    with pytest.raises(RunError, match=r'no round of the arm "frozen" of .* is over yet'):
        compare(run, run, Choice("main"), Choice("frozen"))
    with pytest.raises(RunError, match='"main" alone; no round of frozen is over yet'):
        compare(run, run)
    with pytest.raises(RunError, match='has no arm "frozzen"'):
        compare(run, run, Choice("main"), Choice("frozzen"))


def test_two_versions_of_a_training_are_compared_by_their_validations(write):
    steps = (0, 5, 10)
    run = write(
        "a",
        trials=[("episode", 7), *((validation_arm(step), 7) for step in steps)],
        numbers=[0, *(FIRST_VALIDATION_TRIAL + step for step in steps)],
        kind="training",
    )
    found = compare(run, run)
    assert (found.a.arm, found.b.arm) == (validation_arm(0), validation_arm(10))
    found = compare(run, run, Choice(version=5), Choice(version=10))
    assert (found.a.arm, found.b.arm) == (validation_arm(5), validation_arm(10))
    with pytest.raises(RunError, match="after 3 steps; there are those after 0, 5, 10"):
        compare(run, run, Choice(version=3), Choice(version=5))
    with pytest.raises(RunError, match="no validation"):
        compare(run, write("b"), Choice(version=5), Choice(version=3))


def test_runs_without_a_common_seed_are_compared_in_the_order_of_their_seeds(write):
    found = compare(write("a", trials=(("main", 1),)), write("b", trials=(("main", 2),)))
    assert found.seeds == ((1, 2),)


def test_keys_of_the_configuration_that_differ_are_listed_with_those_of_the_arm(write):
    a, b = write("a", config_sha256="x"), write("b", config_sha256="x")
    (a / "config.yaml").write_text("rounds: 2\nagent: {use: star}\n")
    (b / "config.yaml").write_text(
        "rounds: 3\nagent: {use: star}\narms: {main: {agent.gate: {when: never}}}\n"
    )
    found = [(each.key, each.a, each.b) for each in compare(a, b).configuration]
    assert found == [("rounds", "2", "3"), ("agent.gate.when", None, "never")]


def test_a_plug_in_without_settings_is_compared_with_one_that_has_some(write):
    a, b = write("a", config_sha256="x"), write("b", config_sha256="x")
    (a / "config.yaml").write_text("environment: {recommender: random}\n")
    (b / "config.yaml").write_text("environment: {recommender: {use: als, factors: 8}}\n")
    found = [(each.key, each.a, each.b) for each in compare(a, b).configuration]
    assert found == [
        ("environment.recommender.use", "random", "als"),
        ("environment.recommender.factors", None, "8"),
    ]


def test_a_step_that_only_one_side_has_is_named_as_such(write):
    a, b = write("a"), write("b")
    with closing(sqlite3.connect(b / "run.sqlite")) as db, db:
        db.execute("DELETE FROM steps WHERE user = 1")
        db.execute("UPDATE rounds SET digest = 'another'")
    found = compare(a, b)
    assert found.first_difference.part == "step"
    assert (found.first_difference.a, found.first_difference.b) == (
        "there is such a step",
        "no such step",
    )


def rename(folder, rows):
    """Give the users of these rows other ids, as those of another world."""
    with closing(sqlite3.connect(folder / "run.sqlite")) as db, db:
        db.execute(f"UPDATE users SET id = 'v' || id WHERE user IN ({','.join(map(str, rows))})")
        db.execute("UPDATE trials SET world = 'another'")
        db.execute("UPDATE rounds SET digest = 'another'")


def test_the_first_difference_is_one_of_a_user_that_both_sides_have(write, changed):
    a, b = write("a"), write("b", changed(2, 1, **PARTS["memory"]))
    rename(b, [0])
    found = compare(a, b)
    assert found.common_users == 2
    assert (found.first_difference.at.user, found.first_difference.part) == ("u2", "memory")


def test_runs_of_other_users_have_no_common_user(write):
    a, b = write("a"), write("b")
    rename(b, [0, 1, 2])
    assert compare(a, b).common_users == 0


@pytest.mark.parametrize(
    ("profile", "paired"), [('{"age": "71"}', False), ('{"hobby": "chess"}', True)]
)
def test_users_with_the_same_id_and_other_traits_are_not_paired(write, capsys, profile, paired):
    a, b = write("a"), write("b")
    rename(b, [9])  # nobody
    for run, traits in ((a, '{"age": "25"}'), (b, profile)):
        with closing(sqlite3.connect(run / "run.sqlite")) as db, db:
            db.execute("UPDATE users SET profile = ?", (traits,))
    found = compare(a, b)
    assert found.common_users == (3 if paired else 0)
    assert found.metrics and any(metric.by_user for metric in found.metrics) == paired
    print_comparison(found)
    out = capsys.readouterr().out
    assert ("the same 3 users" in out) == paired
    assert ("they are other people" in out) == (not paired)


def test_of_other_people_a_seed_has_the_mean_over_its_users(feed, tmp_path):
    other = shutil.copytree(feed, tmp_path / "other")
    rename(other, range(20))
    means = {metric.metric: metric.a for metric in compare(feed, other).metrics}
    report = run_summary(feed, None).report.metrics["loop"]
    assert means["satisfaction"] == pytest.approx(report["satisfaction"].interval.mean)
    assert means["coverage"] == pytest.approx(report["coverage"].interval.mean)


def test_metrics_of_fewer_users_say_so(feed, capsys):
    found = compare(feed, feed)
    fewer = [replace(found.metrics[0], users=5), *found.metrics[1:]]
    print_comparison(replace(found, metrics=tuple(fewer)))
    out = capsys.readouterr().out
    assert f"{fewer[0].label}: 5 users, who have a value on both sides" in out


def test_metrics_say_whether_users_or_seeds_are_paired(feed):
    by_user = {each.metric: each.by_user for each in compare(feed, feed).metrics}
    assert by_user["click_through"] and not by_user["coverage"]


def test_packages_prompts_and_plug_ins_that_differ_are_listed(write):
    def plugin(sha):
        return [{"use": "shop.py:Shop", "files": {"/home/a/shop.py": sha * 32}}]

    a = write("a", versions={"numpy": "1"}, plugins=plugin("ab"), prompts={"main": {"feed": "x"}})
    b = write("b", versions={"numpy": "2"}, plugins=plugin("cd"), prompts={"main": {"feed": "y"}})
    assert [(each.key, each.a, each.b) for each in compare(a, b).versions] == [
        ("numpy", "1", "2"),
        ("prompts.feed", "x", "y"),
        ("plugins.shop.py:Shop", "shop.py abababababab", "shop.py cdcdcdcdcdcd"),
    ]


def test_the_command_prints_where_two_runs_part(write, changed, starec):
    a, b = write("a"), write("b", changed(1, 1, **PARTS["answer"]))
    status, out, _ = starec("diff", a, b)
    assert status == 0
    assert "they part in round 2, u1, step 1, seed 7: answer of fast" in out
    assert "another answer" in out
    assert f"starec why {b} u1 2 --step 1 --arm main --seed 7" in out
    status, out, _ = starec("diff", a, b, "--md", "--user", "u1")
    assert "## First difference" in out
    assert "| 7 | 2 | 1 | answer |" in out


def test_a_comparison_names_its_rounds_and_the_metrics_that_are_always_0(write, starec):
    a, b = write("a"), write("b", rounds=1)
    for folder in (a, b):
        with closing(sqlite3.connect(folder / FILE)) as db, db:
            db.execute('UPDATE visits SET figures = \'{"malformed": 0.0, "exits": 1.0}\'')
    found = compare(a, b)
    assert found.window == "round 1, which both sides have; A has 2, B 1"
    out = starec("diff", a, b)[1]
    assert f"Means over {found.window}. B against A, the same 3 users" in out
    assert "all steps of 1 round are the same" in out
    assert "  Always 0: malformed.\n" in out


def rename_users(run):
    store = Store(run)
    with store.transaction():
        store.db.execute("UPDATE users SET id = 'other ' || id")
        store.db.execute("UPDATE trials SET world = 'another'")
        store.db.execute("UPDATE rounds SET digest = 'another'")
    store.close()


def test_runs_without_a_common_arm_are_compared_by_the_first_arm_of_each(write):
    a = write("a", trials=(("loop", 7), ("frozen", 7)))
    b = write("b", trials=(("always", 7), ("surprise", 7)))
    found = compare(a, b)
    assert (found.a.arm, found.b.arm) == ("loop", "always")


def test_users_are_common_when_one_seed_of_several_has_them(write, changed):
    trials = (("main", 7), ("main", 8))
    a, b = write("a", trials=trials), write("b", changed(2, 1, **PARTS["memory"]), trials=trials)
    store = Store(b)
    with store.transaction():
        store.db.execute("UPDATE users SET id = 'other ' || id WHERE trial = 0")
        store.db.execute("UPDATE trials SET world = 'another' WHERE trial = 0")
        store.db.execute("UPDATE rounds SET digest = 'another'")
    store.close()
    found = compare(a, b)
    assert found.common_users == 3 and not found.same_world
    assert "6 and 6 users of 2 seeds, 3 with the same id" in found.world
    assert (found.first_difference.at.seed, found.first_difference.part) == (8, "memory")


def test_a_comparison_without_common_users_says_so_and_names_no_step(write, capsys):
    a, b = write("a", trials=(("loop", 7),)), write("b", trials=(("always", 1),))
    rename_users(b)
    found = compare(a, b)
    assert found.common_users == 0
    assert (found.first_difference.a_has_user, found.first_difference.b_has_user) == (True, False)
    print_comparison(found)
    for said in (capsys.readouterr().out, comparison_as_markdown(found)):
        assert "no user is in both runs" in said and "starec diff RUN --arm A --arm-b B" in said
        assert "starec why" not in said and "0 users" not in said


def test_a_first_difference_names_the_seeds_of_both_sides(write, changed, capsys):
    a = write("a", trials=(("main", 1),))
    print_comparison(
        compare(a, write("b", changed(1, 1, **PARTS["memory"]), trials=(("main", 2),)))
    )
    assert "seed 1 of A and 2 of B" in capsys.readouterr().out


def test_a_run_that_a_newer_version_wrote_is_refused_by_all_that_read_records(write):
    run = write("a")
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps({**manifest, "schema_version": 99}))
    for read in (read_only, Reader, lambda run: query(run, "select 1", QueryLimits(1, 1))):
        with pytest.raises(RunError, match="has schema_version 99, this version reads up to"):
            read(run)


def test_a_comparison_says_better_where_the_report_does(write):
    found = compare(write("a"), write("b"))
    assert [m.word for m in found.metrics] == [m.verdict for m in found.metrics]
    m = ArmDifference(Interval(-0.2, -0.3, -0.1, 9), 0.01)
    assert [verdict_word(m.verdict, better) for better in ("higher", "lower", "")] == [
        "worse",
        "better",
        "lower",
    ]


@pytest.mark.parametrize(("users", "word"), [(3, "unsure"), (12, "better")])
def test_a_difference_is_better_only_where_p_agrees_with_the_interval(users, word):
    before = {f"u{n}": 0.1 + 0.01 * n for n in range(users)}
    after = {user: value + 0.4 for user, value in before.items()}
    a, b = (MetricSamples(values, {}, (), (), True) for values in (before, after))
    (found,) = _metrics({"satisfaction": a}, {"satisfaction": b})
    assert found.low > 0
    assert (found.word, found.p > 0.05) == (word, word == "unsure")
