"""What a reader does in the pages of `starec view`, from the list of runs to the gradient."""

import json
import re
import shlex
import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from starec_sim.traces import traits
from starec_sim.traces.values import as_json
from starec_sim.viewer import bundle
from starec_sim.viewer.bundle import make_bundle
from tests.starec_sim.viewer.browser.conftest import settle
from tests.starec_sim.viewer.conftest import play

reason = "Playwright is not installed; `make test-browser` installs it"
expect = pytest.importorskip("playwright.sync_api", reason=reason).expect
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
VALIDATIONS = "arm_a=validation+after+0+steps&arm_b=validation+after+2+steps"


def title(page, text):
    expect(page.locator("main h1").first).to_contain_text(text)


def rows(page, caption):
    return page.get_by_role("table", name=caption).locator("tbody tr")


def test_the_list_of_runs_is_filtered_and_two_are_compared(open_page):
    page = open_page("runs")
    expect(rows(page, "Runs")).to_have_count(3)
    started = rows(page, "Runs").get_by_role("link").first
    expect(started).to_have_text("learned")  # the newest
    page.get_by_role("searchbox", name="Filter runs").fill("ranking")
    expect(rows(page, "Runs")).to_have_count(1)
    assert "q=ranking" in page.url
    page.get_by_role("searchbox", name="Filter runs").fill("")
    page.get_by_role("link", name="training", exact=True).click()
    expect(rows(page, "Runs")).to_have_count(1)
    page.get_by_role("link", name="kind: training").click()
    for name in ("feed", "ranking"):
        page.get_by_role("checkbox", name=f"Pick {name}").check()
    page.get_by_role("link", name="Compare the two").click()
    title(page, "and ranking, main")


def test_a_run_shows_its_arms_side_by_side_and_what_went_wrong(open_page):
    page = open_page("run/feed")
    heads = page.get_by_role("table", name="Totals by arm").locator("thead th")
    expect(heads).to_have_text(["metric", "loop", "random", "better"])
    expect(rows(page, "Funnel")).to_have_count(2)
    chart = page.locator("figure.chart", has_text="click-through")
    chart.get_by_text("table", exact=True).click()
    expect(chart.locator("tbody tr")).to_have_count(2)  # two rounds
    expect(page.get_by_role("region", name="Errors")).to_contain_text("None.")


def test_people_are_filtered_by_a_click_and_the_url_holds_it(open_page):
    page = open_page("run/feed/people?arm=random&seed=3")
    all_people = rows(page, "People").count()
    page.get_by_role("link", name="F", exact=True).first.click()
    expect(page.get_by_role("link", name="gender: F")).to_be_visible()
    settle(page)
    women = rows(page, "People").count()
    assert 0 < women < all_people
    page.get_by_role("link", name="liked", exact=True).click()
    page.get_by_role("link", name=re.compile("^liked")).click()
    settle(page)
    page.reload()
    expect(rows(page, "People")).to_have_count(women)
    assert "sort=people.liked" in page.url and "arm=random" in page.url
    liked = list(map(int, rows(page, "People").locator("td:nth-child(8)").all_inner_texts()))
    assert liked == sorted(liked, reverse=True)
    page.get_by_role("link", name="gender: F").click()
    expect(rows(page, "People")).to_have_count(all_people)


def test_keys_go_from_visit_to_visit_into_a_step_and_back(open_page):
    page = open_page("run/feed/person/u1?arm=loop&seed=3")
    page.keyboard.press("n")
    expect(page.locator("section.chosen h2")).to_have_text("Round 1")
    page.keyboard.press("n")
    expect(page.locator("section.chosen h2")).to_have_text("Round 2")
    page.keyboard.press("o")
    title(page, "u1, round 2, step 1")
    page.keyboard.press("p")
    title(page, "u1, round 1, step 2")
    page.keyboard.press("n")
    title(page, "u1, round 2, step 1")
    page.keyboard.press("u")
    expect(page.locator("main h1")).to_have_text("u1")


def test_a_step_says_what_she_did_and_shows_the_prompt_raw(open_page):
    page = open_page("run/feed/step/u2/2/1?arm=loop&seed=3")
    expect(page.get_by_role("region", name="Did")).to_contain_text("Watched")
    expect(page.get_by_role("region", name="Was shown").locator("tbody tr")).to_have_count(4)
    page.locator("summary", has_text="fast lexical").click()
    page.get_by_role("tab", name="Raw").click()
    expect(page.get_by_role("tabpanel")).to_contain_text("<profile>")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="Rendered")).to_be_focused()


def test_a_value_of_the_population_leads_to_its_people(open_page):
    page = open_page("run/feed/population?arm=loop&seed=3")
    row = page.get_by_role("table", name="gender").locator("tbody tr", has_text="F").first
    users = int(row.locator("td").first.inner_text())
    row.get_by_role("link", name="F", exact=True).click()
    title(page, "People")
    expect(rows(page, "People")).to_have_count(users)


def test_the_round_in_which_they_left_leads_to_its_people(open_page):
    page = open_page("run/feed/population?arm=loop&seed=3")
    line = page.get_by_text("Users by the last round in which they left early:")
    users = int(re.search(r"\((\d+)\)", line.inner_text())[1])
    line.get_by_role("link").first.click()
    title(page, "People")
    expect(rows(page, "People")).to_have_count(users)
    page.get_by_role("link", name="left round").click()
    expect(rows(page, "People")).not_to_have_count(users)


def test_a_training_leads_from_a_changed_answer_to_the_tokens_that_were_reinforced(open_page):
    page = open_page("run/learned/training?step=1")
    changed = page.get_by_role("region", name="Before and after", exact=True)
    expect(changed.locator("tbody tr").first).to_contain_text(re.compile(r"reward.*\[.*\].*4$"))
    answers = rows(page, "Answers before and after")
    expect(answers).to_have_count(8)  # four people, two rounds
    user = answers.first.locator("td").first.inner_text()
    answers.first.get_by_role("link", name=user, exact=True).click()
    expect(answers).to_have_count(2)
    answers.first.get_by_role("link", name="compare").click()
    expect(page.get_by_role("heading", name="A: validation after 0 steps")).to_be_visible()
    page.go_back()
    group = rows(page, re.compile("Groups of step")).filter(has_text="yes")
    group.first.get_by_role("link").first.click()
    title(page, "3 answers to")
    advantages = rows(page, "Members").locator("td:nth-child(5)").all_inner_texts()
    numbers = [float(each.replace("−", "-")) for each in advantages]
    assert sum(numbers) == pytest.approx(0, abs=0.002) and max(numbers) > 0
    page.get_by_role("button", name="show its tokens").first.click()
    tokens = page.get_by_role("application")
    expect(tokens).to_contain_text("<ranking>")
    tokens.press("ArrowRight")
    expect(page.locator(".reading").first).to_contain_text("“<think>”")


def test_two_versions_are_compared_person_by_person(open_page):
    page = open_page(f"compare?a=learned&b=learned&{VALIDATIONS}")
    expect(page.get_by_role("region", name="They part")).to_contain_text("First in the answer")
    link = page.get_by_role("region", name="They part").get_by_role("link")
    at = link.inner_text()
    link.click()
    expect(page.get_by_role("heading", name=at.split(", ", 1)[1].capitalize())).to_be_visible()
    expect(page.locator(".aligned [aria-current=true]")).to_contain_text("other answer")


def test_a_step_is_asked_again_and_the_answers_are_a_note(open_page):
    page = open_page("run/feed/ask/u2/2/2?arm=loop&seed=3")
    page.get_by_role("spinbutton", name="answers").fill("2")
    page.get_by_role("textbox", name="author").fill("a reader")
    page.get_by_role("button", name="Ask 2 times").click()
    expect(rows(page, "Decisions").first).to_contain_text("on record")
    page.get_by_role("link", name="Notes").click()
    expect(rows(page, "Notes").filter(has_text="a reader").first).to_contain_text("u2, round 2")


def test_a_step_is_marked_and_the_mark_is_listed(open_page):
    page = open_page("run/ranking/notes")
    expect(page.locator("main")).to_contain_text("Nothing is marked yet")
    page.goto(page.url.replace("notes", "step/u3/1/1"))
    page.get_by_label("Reason").fill("<b>implausible</b>")
    page.get_by_label("Author").fill("a reader")
    page.get_by_role("button", name="Mark this step").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    said = page.get_by_role("region", name="Note").locator("li")
    expect(said).to_contain_text("<b>implausible</b> a reader")
    page.get_by_role("link", name="Notes").click()
    expect(rows(page, "Notes")).to_contain_text(["<b>implausible</b>"])


def test_interviews_stand_among_the_notes(open_page):
    page = open_page("run/feed/notes")
    expect(rows(page, "Figures: Happy?")).to_contain_text(["50 %"])
    page.get_by_text("2 answers").last.click()
    expect(rows(page, "Answers: Why?")).to_contain_text(["the films", "too many words"])
    page.get_by_role("link", name="the films").click()
    expect(rows(page, "Answers: Why?")).to_have_count(1)
    rows(page, "Answers: Why?").get_by_role("link", name="u1").click()
    expect(page.locator("main h1")).to_have_text("u1")


def test_words_are_found_and_lead_to_their_step(open_page):
    page = open_page("run/feed")
    page.keyboard.press("/")
    page.keyboard.type("watch")
    page.keyboard.press("Enter")
    title(page, "watch")
    assert page.locator("mark").first.inner_text().lower().startswith("watch")
    page.get_by_role("link", name=re.compile("round 1, step 1")).first.click()
    title(page, "round 1, step 1")


def test_the_keys_are_listed_and_work(open_page):
    page = open_page("run/feed/step/u2/2/1?arm=loop&seed=3")
    page.keyboard.press("?")
    for does in ("next step", "previous step", "search", "dark or light"):
        expect(page.get_by_role("dialog")).to_contain_text(does)
    page.keyboard.press("n")  # belongs to the dialog
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    title(page, "u2, round 2, step 1")
    page.keyboard.press("t")
    expect(page.get_by_role("button", name="Light", exact=True)).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("r")
    title(page, "Runs")


def copies(open_page, view):
    """Copy a page in all forms."""
    page = open_page(view, permissions=["clipboard-read", "clipboard-write"])
    copied = {}
    for what in ("Command line", "Markdown", "JSON", "Python"):
        page.locator("summary", has_text="Copy").click()
        page.get_by_role("button", name=re.compile(f"^{what}")).click()
        expect(page.get_by_text(f"Copied: {what}")).to_be_visible()
        copied[what] = page.evaluate("navigator.clipboard.readText()")
    return copied


def test_a_page_is_copied_in_four_forms(open_page, folder):
    copied = copies(open_page, "run/feed/step/u2/2/1?arm=loop&seed=3")
    command = shlex.split(copied["Command line"], comments=True)
    assert command[2] == str(folder / "feed")  # it works in every folder
    del command[2]
    assert command == ["starec", "why", "u2", "2", "--step", "1", "--arm", "loop", "--seed", "3"]
    assert copied["Markdown"].startswith("# u2, round 2, step 1 of feed")
    assert json.loads(copied["JSON"])["at"]["user"] == "u2"
    assert "# prompts and answers are in run.turns()" in copied["Python"]
    compile(copied["Python"], "copied", "exec")


@pytest.mark.parametrize(
    "view",
    [
        "people?arm=loop&seed=3&q=U1&sort=people.steps&descending=1",
        "people?arm=loop&seed=3&where=gender:F&where=visits:2&sort=people.slow_share",
        "people?arm=random&seed=3&where=gender:gone",
    ],
)
def test_what_is_copied_of_people_lists_the_people_of_the_page(open_page, starec, view):
    copied = copies(open_page, f"run/feed/{view}")
    shown = json.loads(copied["JSON"])["rows"]
    status, found, said = starec(*shlex.split(copied["Command line"], comments=True)[1:], "--json")
    assert (status, said) == (0, "")
    listed, columns = json.loads(found)["rows"], ("user", "visits", "steps", "flaws")
    assert {tuple(row[:4]) for row in listed} == {tuple(row[n] for n in columns) for row in shown}
    if "sort=people.steps" in view:
        assert [row[2] for row in listed] == [row["steps"] for row in shown]
    names = {}
    exec(copied["Python"], names)
    if "q=" not in view:
        assert {row.user for row in names["rows"]} == {row["user"] for row in shown}
    else:
        assert "# without the words U1" in copied["Python"]


def test_the_markdown_of_a_step_says_what_its_page_says(open_page, folder):
    play(
        folder,
        name="edited",
        rounds=2,
        environment={"use": "ranking", "choices": 2, "candidates": 5},
        agent={"use": "star", "recall": {"use": "hashing", "top": 2}},
        arms={"main": {"schedule": [{"round": 2, "memory": {"u2": "Likes westerns alone."}}]}},
    ).rename(folder / "edited")
    try:
        view = "run/edited/step/u2/2/1?arm=main&seed=3"
        page = open_page(view)
        said = "The summary was set by the schedule, at the beginning of a round."
        expect(page.get_by_role("region", name="Remembered")).to_contain_text(said)
        regions = page.locator("article section h2").all_inner_texts()
        did = page.get_by_role("region", name="Did").locator("p").last.inner_text()
        copied = copies(open_page, view)["Markdown"]
    finally:
        shutil.rmtree(folder / "edited")
    heads = re.findall("^## (.*)$", copied, re.MULTILINE)
    assert heads[:2] == ["Did", "Remembered"] and set(heads[:6]) <= set(regions)
    did = did.replace(">", "\\>")
    for words in (did, said, "\nRecalled:\n\n- ", "Reward: ", "The gate says: "):
        assert words in copied
    assert ("She thought again" in copied) != ("She went on" in copied)


def test_what_a_copied_command_leaves_out_stands_in_it(open_page, starec, folder):
    copied = copies(open_page, "run/feed/people?arm=loop&seed=3&where=liked:3&sort=people.chosen")
    assert " # without the filter liked: 3, the order by chosen, traits, " in copied["Command line"]
    assert starec(*shlex.split(copied["Command line"], comments=True)[1:])[0] == 0
    assert "# without the filter liked: 3" in copied["Python"]


@pytest.mark.parametrize(
    ("view", "left_out"),
    [
        ("run/feed", "without the funnel, the configuration"),
        ("run/feed/population?arm=loop&seed=3", "exposure, drift and leaving over time"),
        ("run/learned/training", "without curves, groups, answers before and after"),
        ("compare?a=feed&b=feed&user=u1&round=1", "the texts and slates of round 1, step 1"),
    ],
)
def test_the_command_of_each_page_says_what_it_leaves_out(open_page, view, left_out):
    command, _, comment = copies(open_page, view)["Command line"].partition(" # ")
    assert left_out in comment and shlex.split(command)[0] == "starec"


def test_the_comment_of_a_command_holds_nothing_that_a_shell_obeys(open_page):
    # zsh knows no comments at its prompt, unless it is told to.
    filters = "where=liked:%24(touch%20x)%0A%60y%60;*"
    copied = copies(open_page, f"run/feed/people?arm=loop&seed=3&{filters}")["Command line"]
    assert "\n" not in copied
    assert "the filter liked: ··touch x· ·y···" in copied.partition(" # ")[2]


def test_the_command_of_a_search_finds_as_many_texts_as_its_page(open_page):
    assert " --limit 200" in copies(open_page, "run/feed/search?q=watch")["Command line"]


def heads(markdown):
    return re.findall("^## (.*)$", markdown, re.MULTILINE)


def test_the_markdown_of_a_run_has_the_tables_of_its_page(open_page):
    copied = copies(open_page, "run/feed")["Markdown"]
    parts = ["Totals", "Metrics by round", "Funnel", "Calls", "Configuration"]
    assert heads(copied) == parts
    assert "Means over rounds 1 to 2." in copied


def test_the_markdown_of_a_training_has_the_parts_of_its_page(open_page):
    copied = copies(open_page, "run/learned/training")
    markdown, view = copied["Markdown"], json.loads(copied["JSON"])
    names = [
        "Before and after",
        "Curves",
        "Validations and audits",
        f"Groups of step {view['step']}",
    ]
    assert heads(markdown) == [*names, "Answers before and after"]
    answered = markdown.split("## Answers before and after")[1]
    assert "validation after 0 steps" in answered and answered.count("\n| u") >= 4


def test_the_markdown_of_a_comparison_has_the_parts_of_its_page(open_page):
    copied = copies(open_page, "compare?a=feed&b=feed&user=u1&round=1")["Markdown"]
    parts = ["They part", "Steps of u1", "Metrics", "Configuration", "Versions"]
    assert heads(copied) == parts
    assert re.search(r"First in the \w+.* of u\d+, round 1, step 1, seed 3", copied)
    assert "Left out: texts and slates of round 1, step 1" in copied
    steps = copied.split("## Steps of u1")[1].split("## Metrics")[0]
    assert "| 3 | 1 | 1 | " in steps


@pytest.mark.parametrize(
    ("view", "same"),
    [
        ("run/feed/search?q=watch&where=user:u2", "total"),
        ("compare?a=feed&b=feed&arm_a=loop&arm_b=random&user=u1", "common_users"),
    ],
)
def test_python_that_is_copied_finds_what_the_page_shows(open_page, view, same):
    copied, names = copies(open_page, view), {}
    exec(copied["Python"], names)
    assert as_json(names["found"])[same] == json.loads(copied["JSON"])[same]


@pytest.mark.parametrize(
    ("view", "said", "hint"),
    [
        ("run/fed", "There is no run “fed” here.", "starec runs"),
        ("run/feed/person/u22", 'has the id "u22"', "feed names those"),
        ("run/feed/step/u2/9/1", "did not visit in round 9", "name one of those rounds"),
        ("run/feed/step/u2/x", "The address names no step.", "USER/ROUND/STEP"),
        ("rums", "There is no page “rums”.", "choose one of the runs"),
        ("run/feed/what", "A run has no page “what”.", "choose one of the pages above"),
        ("run/feed/training", "is of kind run, and no training", "open its overview"),
        ("compare?a=feed&b=gone", 'there is no run "gone"', "starec runs"),
    ],
)
def test_what_is_not_there_is_named_with_what_to_do(open_page, view, said, hint):
    page = open_page(view)
    expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_role("alert")).to_contain_text(hint)


def test_runs_of_other_users_are_told_apart_and_lead_to_two_arms(open_page, folder):
    others = {"use": "synthetic", "users": 3, "items": 80, "interactions": 20}
    play(folder, name="others", rounds=1, data=others, environment={"use": "ranking"}).rename(
        folder / "others"
    )
    try:
        with closing(sqlite3.connect(folder / "others" / "run.sqlite")) as db, db:
            db.execute("UPDATE users SET id = 'v' || id")
            db.execute("UPDATE trials SET world = 'another'")
        page = open_page("compare?a=feed&b=others&arm_a=loop")
        expect(page.get_by_role("region", name="They part")).to_contain_text("No user is in both")
        expect(rows(page, "Paired differences of metrics").first).to_contain_text("1 seed")
        page.get_by_role("link", name="feed", exact=True).click()
        title(page, "loop and random")
        expect(rows(page, "Paired differences of metrics").first).to_contain_text("users")
    finally:
        shutil.rmtree(folder / "others")


def test_a_card_says_the_reward_of_its_step(open_page):
    page = open_page("run/feed/person/u1?arm=loop&seed=3")
    expect(page.locator("li.card").first).to_contain_text(re.compile("reward engagement [0-9]"))


def test_a_server_that_has_ended_is_named(open_page):
    page = open_page("runs")
    page.route("**/api/**", lambda route: route.fulfill(status=503, body="gone"))
    page.get_by_role("link", name="feed", exact=True).first.click()
    expect(page.get_by_role("alert")).to_contain_text("The server's answer (503) is no JSON.")


def test_a_run_that_is_written_appears_and_ends_without_a_reload(open_page, folder):
    page = open_page("runs?q=growing")
    settings = {"environment": {"use": "feed", "recommender": "random", "pages": 1}}
    writer = threading.Thread(
        target=play, args=(folder,), kwargs={"name": "growing", "rounds": 3, **settings}
    )
    writer.start()
    try:
        expect(rows(page, "Runs")).to_have_count(1)
        expect(rows(page, "Runs")).to_contain_text("finished", timeout=60_000)
    finally:
        writer.join()


def test_a_saved_page_shows_a_step_and_asks_nobody(browser, folder, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(make_bundle(folder / "feed", ["u2"]).page)
    page, asked = browser.new_page(), []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{file}#/run/feed/step/u2/2/1?arm=loop&seed=3")
    title(page, "u2, round 2, step 1")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    expect(page.get_by_role("searchbox")).to_have_count(0)  # nothing that a saved page cannot do
    expect(page.get_by_role("link", name="ask again")).to_have_count(0)
    opens = f"starec view {folder / 'feed'}"
    expect(page.get_by_role("region", name="Note")).to_contain_text(opens)
    expect(page.locator(".banner")).to_contain_text(opens)
    page.goto(f"file://{file}#/run/feed/ask/u2/2/1?arm=loop&seed=3")
    expect(page.locator("code", has_text=opens)).to_have_count(1)
    page.goto(f"file://{file}#/run/feed/notes")
    expect(rows(page, "Figures: Happy?")).to_contain_text(["50 %"])
    page.close()


def test_a_saved_page_says_how_many_people_its_list_leaves_out(
    browser, folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(bundle, "_LISTED", 4)
    monkeypatch.setattr(traits, "MAX_VALUES", 2)
    file = tmp_path / "page.html"
    file.write_text(make_bundle(folder / "feed", ["u2"]).page)
    page = browser.new_page()
    page.goto(f"file://{file}#/run/feed/people?arm=loop&seed=3")
    expect(page.locator("main")).to_contain_text("11 users. This page lists the first 4")
    ages = page.get_by_role("table", name="People").locator("tbody td:nth-child(2)")
    page.get_by_role("link", name="age", exact=True).click()
    expect(page).to_have_url(re.compile("sort=people.age"))
    settle(page)
    assert list(map(int, ages.all_inner_texts())) == sorted(map(int, ages.all_inner_texts()))
    page.goto(f"file://{file}#/run/feed/population?arm=loop&seed=3")
    found = 0
    ranges = page.get_by_role("table", name="age").locator("th a")
    expect(ranges.first).to_be_visible()
    for words, link in [(each.inner_text(), each.get_attribute("href")) for each in ranges.all()]:
        page.goto(f"file://{file}{link}")
        expect(page.get_by_role("list", name="Filters")).to_contain_text(words)
        settle(page)
        found += rows(page, "People").count()
    assert found == 4
    page.close()


def test_a_saved_page_of_one_run_opens_on_that_run(browser, folder, tmp_path):
    file = tmp_path / "page.html"
    file.write_text(make_bundle(folder / "feed", ["u2"]).page)
    page = browser.new_page()
    page.goto(f"file://{file}")
    expect(page.locator("main h1")).to_have_text("feed")
    page.get_by_role("link", name="Runs").click()
    title(page, "Runs")
    expect(page.get_by_role("checkbox")).to_have_count(0)
    page.close()
