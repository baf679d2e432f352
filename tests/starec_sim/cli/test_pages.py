"""The printed pages: runs, visits of a user, tables."""

import json
import re
import shutil

import pytest
from rich.text import Text

from starec_sim.cli.tables import number, print_report, sparkline
from starec_sim.glossary import METRICS
from starec_sim.metrics import Interval
from starec_sim.report import ArmDifference, MetricSummary, RunReport
from starec_sim.visible_text import visible


def lines(said):
    return [line.rstrip() for line in said.out.splitlines()]


def widest(said):
    return max(Text(line).cell_len for line in lines(said))


@pytest.fixture
def rich_run(finished, here):
    """The finished feed, in the folder in which `latest` looks."""
    return shutil.copytree(finished["feed"], here / "runs" / finished["feed"].name)


class TestARun:
    @pytest.mark.slow
    def test_it_says_what_it_is_and_how_the_arms_differ(self, starec, finished):
        page = starec("show", finished["feed"]).out
        assert f"{finished['feed'].name}: finished" in page
        assert "users 11 · items 120" in page
        assert re.search(r"loop +seed 0 +2 of 2 rounds", page)
        assert "Means over rounds 1 to 2; ± half of the 95 % interval" in page
        assert re.search(r"click-through +\d\.\d{3} ±\d\.\d{3}", page)
        assert "Against loop, same users and seeds" in page
        assert re.search(r"coverage +[+-]\d\.\d{3} +one seed", page)
        assert "--set replicates=5" in page
        assert "Users with the most slow thinking" in page

    def test_what_did_not_happen_takes_no_line(self, starec, finished):
        page = starec("show", finished["feed"]).out
        assert "malformed" not in page
        assert "repaired" not in page

    @pytest.mark.parametrize("width", [60, 80, 120])
    def test_its_tables_fit_the_terminal(self, starec, finished, width):
        for run in finished.values():
            said = starec("show", run, "--explain", width=width)
            tables = [line for line in lines(said) if "starec show" not in line]
            assert max(Text(line).cell_len for line in tables) <= width

    def test_metrics_are_explained_on_request(self, starec, finished):
        plain, explained = (
            starec("show", finished["ranking"], *more).out for more in ([], ["--explain"])
        )
        assert METRICS["mrr"].meaning not in plain
        assert METRICS["mrr"].meaning in explained
        assert "(higher is better)" in explained

    def test_its_json_holds_everything(self, starec, finished):
        answer = starec("show", finished["feed"], "--json").answer
        assert answer["status"] == "finished"
        assert answer["arms"] == ["loop", "random"]
        assert [trial["rounds"] for trial in answer["trials"]] == [2, 2]
        assert set(answer["differences"]) == {"random"}
        assert len(answer["by_round"]["loop"]["slow"]) == 2

    def test_it_is_found_by_path_name_start_and_as_the_latest(self, starec, rich_run):
        for reference in (rich_run, rich_run.name, rich_run.name[:6], "latest"):
            assert starec("show", reference, "--json").answer["run"].endswith(rich_run.name)

    def test_the_newest_run_is_listed_first(self, starec, rich_run):
        older = shutil.copytree(rich_run, rich_run.with_name("older"))
        manifest = json.loads((older / "manifest.json").read_text())
        changed = {**manifest, "started": "2001-01-01T00:00:00+00:00"}
        (older / "manifest.json").write_text(json.dumps(changed))
        listed = [row["run"] for row in starec("runs", "--json").answer["runs"]]
        assert [name.split("/")[-1] for name in listed] == [rich_run.name, "older"]

    def test_runs_are_listed_a_line_each_whatever_the_width(self, starec, rich_run):
        said = starec("runs", width=40)
        assert len(lines(said)) == 2
        assert f"runs/{rich_run.name}  run         finished" in said.out
        assert starec("runs", "--json").answer["runs"][0]["arms"] == ["loop", "random"]

    def test_where_there_are_none_the_first_command_is_offered(self, starec, here):
        assert "starec run experiments/01_quickstart" in starec("runs").out
        assert starec("runs", "--json").answer == {"runs": [], "leftovers": []}


class TestALife:
    @pytest.mark.parametrize("width", [60, 80, 120])
    @pytest.mark.parametrize("name", ["feed", "ranking"])
    def test_it_fits_the_terminal(self, starec, finished, name, width):
        assert widest(starec("show", finished[name], "--user", "u3", width=width)) <= width

    def test_a_page_shows_each_item_on_one_line(self, starec, finished):
        said = starec("show", finished["feed"], "--user", "u3", "--json")
        step = said.answer["steps"][0]
        page = lines(starec("show", finished["feed"], "--user", "u3", width=120))
        for letter, item, action in zip("ABCD", step["shown"], step["actions"], strict=True):
            line = next(line for line in page if line.startswith(f"  {letter}  {item['title']}"))
            assert ("skipped" in line) != action["watched"]
            assert ("★" in line) == action["watched"]

    def test_it_tells_thoughts_gate_memory_and_how_the_visit_ended(self, starec, finished):
        busiest = re.search(r"--user (\S+)", starec("show", finished["feed"]).out)[1]
        page = starec("show", finished["feed"], "--user", busiest).out
        for word in ("── round 1 ─", "page 1", "expected", "fast  ", "gate  ", "memory  "):
            assert word in page
        assert re.search(r"gate +(went on|thought again): ", page)

    def test_the_second_thought_comes_after_the_gate(self, starec, finished):
        page = starec("show", finished["ranking"], "--user", "u3").out
        assert page.index("\n  fast ") < page.index("\n  gate ") < page.index("\n  slow ")

    def test_a_ranking_shows_its_top_and_the_true_choice(self, starec, finished):
        step = starec("show", finished["ranking"], "--user", "u3", "--json").answer["steps"][0]
        page = starec("show", finished["ranking"], "--user", "u3", "--round", "1", width=120).out
        titles = {item["item"]: item["title"] for item in step["shown"]}
        rank = step["ranking"].index(step["target"]) + 1
        assert "top of 20" in page
        assert re.search(
            rf"^ *{rank} [A-T]  {re.escape(titles[step['target']])} .*chosen", page, re.M
        )
        assert all(titles[item] in page for item in step["ranking"][:5])
        assert page.count("chosen") == 1

    def test_one_round_alone_tells_what_changed_in_that_round(self, starec, finished):
        whole = starec("show", finished["ranking"], "--user", "u3").out
        second = starec("show", finished["ranking"], "--user", "u3", "--round", "2").out
        assert second.split("── round 2")[1] == whole.split("── round 2")[1]
        assert "round 1" not in second

    def test_prompts_are_shown_as_they_were_sent(self, starec, finished):
        turn = starec("show", finished["ranking"], "--user", "u3", "--json").answer["steps"][0][
            "turns"
        ][0]
        page = starec("show", finished["ranking"], "--user", "u3", "--prompts").out
        for line in turn["messages"][1]["content"].splitlines():
            assert f"    {line}\n" in page or not line

    def test_the_arm_and_the_round_may_be_chosen(self, starec, finished):
        options = ("--user", "u3", "--arm", "random", "--round", "2", "--json")
        answer = starec("show", finished["feed"], *options).answer
        assert answer["arm"] == "random"
        assert {step["round"] for step in answer["steps"]} <= {2}

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (
                ["--user", "nobody"],
                'no user of this trial has the id "nobody"; the first who visit in',
            ),
            (["--user", ""], 'has the id ""'),
            (["--user", "u3", "--arm", "lop"], 'no arm "lop" has begun in this run; did you mean'),
            (["--user", "u3", "--seed", "9"], "no trial with seed 9; its seeds so far: 0"),
            (["--user", "u3", "--round", "9"], "u3 did not visit in round 9; the rounds of her"),
            (["--round", "1"], "--arm, --seed, --round and --prompts show one user"),
            (["--prompts"], "--arm, --seed, --round and --prompts show one user"),
        ],
    )
    def test_who_is_not_there_is_an_error(self, starec, finished, options, said):
        answer = starec("show", finished["feed"], *options, "--json")
        assert answer.status == 2
        assert said in answer.answer["error"]
        assert answer.answer["hint"]


class TestSmallRuns:
    def test_a_world_that_nobody_visits(self, starec, here):
        nobody = ["environment.activity=0", "environment.loyalty=0", "rounds=1"]
        changes = [word for change in nobody for word in ("--set", change)]
        said = starec("run", "feed.yaml", *changes)
        assert said.status == 0
        assert "no visits" in said.err
        assert re.search(r"visitors +0\.000", said.out)
        assert "Users with the most slow thinking" not in starec("show", "latest").out
        assert "She has not visited yet" in starec("show", "latest", "--user", "u1").out

    def test_one_user_one_round(self, starec, here):
        said = starec("run", "feed.yaml", "--set", "rounds=1", "--set", "environment.users=1")
        assert "Means over round 1; ±" in said.out
        assert said.out.count("±") == 1  # the one of the heading

    @pytest.mark.slow
    def test_names_with_odd_characters(self, starec, here, monkeypatch):
        odd = here / "a b?c#d%20e'ü"
        odd.mkdir()
        monkeypatch.chdir(odd)
        shutil.copy(here / "feed.yaml", "an experiment.yaml")
        arms = '{"[bold]x": {}, "ü: %20": {environment.refit_every: 0}}'
        said = starec("run", "an experiment.yaml", "--set", f"arms={arms}", "--json")
        assert said.status == 0, said.err
        page = starec("show", "latest").out
        assert "[bold]x" in page
        assert "ü: %20" in page
        assert starec("show", "latest", "--user", "u3", "--arm", "ü: %20").status == 0

    def test_a_metric_that_nobody_has_is_pointed_out(self, starec, here):
        said = starec("run", "feed.yaml", "--set", "report.metrics=[slow, ndcg@1]")
        assert 'There is no metric "ndcg@1"' in said.out
        assert "slow thinking" in said.out
        assert "coverage" not in said.out

    @pytest.mark.slow
    def test_a_run_in_arms_with_replicates(self, starec, here):
        changes = ["replicates=2", "rounds=1", "arms={a: {}, b: {environment.recommender: random}}"]
        said = starec("run", "feed.yaml", *[w for c in changes for w in ("--set", c)], "--json")
        assert said.answer["differences"]["b"]["coverage"]["n"] == 2
        assert len(starec("show", "latest", "--json").answer["trials"]) == 4


class TestData:
    @pytest.mark.slow
    def test_a_dataset_is_described(self, starec, here):
        data = "synthetic,users=1000,items=60,interactions=3"
        said = starec("data", "describe", data, "--json")
        assert said.answer["users"] == 1000
        assert "1,000" in starec("data", "describe", data).out

    def test_any_table_can_be_played_on(self, starec, here):
        folder = here / "my data"
        folder.mkdir()
        rows = [f"u {u},i{i},{1 + (u * i) % 5},{i}" for u in range(8) for i in range(u, u + 25)]
        (folder / "log.csv").write_text("user,item,rating,timestamp\n" + "\n".join(rows))
        assert starec("data", "describe", folder, "--json").answer["interactions"] == 200
        said = starec("run", "feed.yaml", "--data", folder, "--set", "rounds=1", "--json")
        assert said.status == 0, said.err
        config = (here / said.answer["run"] / "config.yaml").read_text()
        assert "use: csv" in config
        assert starec("show", "latest", "--user", "u 1").out.startswith("u 1\nmain, seed 0\n")

    def test_what_can_be_used_is_listed(self, starec):
        page = starec("plugins").out
        assert re.search(r"recommenders\n( +.+\n)* +als +starec_environments", page)
        names = {(p["kind"], p["name"]) for p in starec("plugins", "--json").answer["plugins"]}
        assert {("agents", "star"), ("policies", "openai"), ("datasets", "csv")} <= names

    def test_the_version_is_told(self, starec):
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", starec("--version").out)

    def test_without_a_command_there_is_help(self, starec):
        said = starec()
        assert said.status == 0
        assert "Commands:" in said.out


def report(**arms):
    figures = {
        arm: {
            name: MetricSummary(interval, (interval.mean,) * 30, (0.1,) * 30)
            for name, interval in f.items()
        }
        for arm, f in arms.items()
    }
    return RunReport(figures, {}, 30, 5)


class TestTables:
    def test_many_arms_are_printed_in_blocks_that_fit(self, monkeypatch, capsys):
        monkeypatch.setenv("COLUMNS", "80")
        arms = {f"arm {n}": {"slow": Interval(0.5, 0.4, 0.6, 9)} for n in range(9)}
        print_report(report(**arms))
        out = capsys.readouterr().out
        assert max(map(len, (line.rstrip() for line in out.splitlines()))) <= 80
        assert all(f"arm {n}" in out for n in range(9))
        assert out.count("0.500 ±0.100") == 9
        assert "Means over rounds 26 to 30" in out

    def test_a_metric_that_an_arm_lacks_is_a_dash(self, capsys):
        print_report(
            report(a={"slow": Interval(0.5, 0.4, 0.6, 9)}, b={"own": Interval(1, 0, 2, 9)})
        )
        assert capsys.readouterr().out.count("–") == 2

    @pytest.mark.parametrize(
        ("name", "interval", "word"),
        [
            ("satisfaction", Interval(0.2, 0.1, 0.3, 9), "better"),
            ("satisfaction", Interval(-0.2, -0.3, -0.1, 9), "worse"),
            ("exits", Interval(-0.2, -0.3, -0.1, 9), "better"),
            ("gini", Interval(0.2, 0.1, 0.3, 9), "higher"),
            ("gini", Interval(-0.2, -0.3, -0.1, 9), "lower"),
            ("gini", Interval(0.2, -0.1, 0.3, 9), "unsure"),
            ("gini", Interval(0.0, 0.0, 0.0, 9), "equal"),
            ("gini", Interval(0.0, -0.1, 0.1, 9), "unsure"),
            ("gini", Interval(0.0, float("nan"), float("nan"), 1), "equal"),
            ("gini", Interval(0.2, float("nan"), float("nan"), 1), "one seed"),
        ],
    )
    def test_a_difference_is_told_in_a_word(self, capsys, name, interval, word):
        one = report(a={name: interval}, b={name: interval})
        found = one._replace(differences={"b": {name: ArmDifference(interval, 0.5)}})
        print_report(found)
        table = capsys.readouterr().out.split("holds zero")[1]
        assert re.search(rf" {word} *$", table, re.M)

    def test_a_run_without_a_round_says_so(self, capsys):
        print_report(RunReport({}, {}, 0, 0))
        assert capsys.readouterr().out == "\nNo round is over yet.\n"

    def test_numbers_are_readable(self):
        values = [0.1234, -1.5, 12.34, 1234.56, 1234567.0, 0.0, 0.00001234, float("nan")]
        assert [number(value) for value in values] == [
            "0.123",
            "-1.500",
            "12.3",
            "1,235",
            "1,234,567",
            "0.000",
            "1.2e-05",
            "–",
        ]

    def test_a_sparkline_has_the_width_it_is_given(self):
        for count in (1, 2, 11, 12, 13, 500):
            assert len(sparkline(list(range(count)), 0, count, width=12)) == min(count, 12)
        assert sparkline([5.0, 5.0], 5.0, 5.0) == "▄▄"
        assert sparkline([], 0, 1) == ""
        assert sparkline([float("nan"), 1.0], 0, 1) == " █"

    def test_text_from_outside_is_harmless(self):
        text = "a\x1b]0;title\x07b\u202ec\td\ne"
        assert visible(text) == "a\\x1b]0;title\\x07b\\u202ec d\ne"


def test_the_answers_of_all_commands_are_strict_json(starec, finished):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    for arguments in (["show", finished["feed"]], ["show", finished["ranking"], "--user", "u3"]):
        json.loads(starec(*arguments, "--json").out, parse_constant=refuse)
