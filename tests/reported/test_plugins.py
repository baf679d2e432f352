"""Mistakes of a plug-in author: each error names plug-in, method, user, round and line."""

import re

import pytest

from starec_sim.errors import StarecError
from tests.reported.coffee_shop import build_shop, play_shop, write_shop
from tests.rounds import MemoryRecord

PLACE = r"environment shop.py:Broken, {} \(shop.py:\d+\)$"


def refused(folder, body, where, said, **options):
    """Assert that a broken shop is refused, with the place, the file and the line."""
    with pytest.raises(StarecError) as raised:
        play_shop(folder, body, **options)
    message = raised.value.message
    assert re.search(f"^environment shop.py:Broken, {where}: {said}", message), message
    assert re.search(r" \(shop.py:\d+\)$", message), message
    assert raised.value.hint
    return message


def test_the_shop_without_a_mistake_plays_and_numpy_scalars_become_plain(tmp_path):
    body = """
        def begin_round(self, round):
            super().begin_round(round)
            return np.arange(4)

        def slate(self, user):
            return tuple(np.array(super().slate(user)))

        def rating(self, item):
            return np.float32(super().rating(item))

        def end_round(self, visits):
            return {name: np.float32(value) for name, value in super().end_round(visits).items()}
    """
    record, plain = MemoryRecord(), MemoryRecord()
    visits = play_shop(tmp_path, body, record=record)
    assert visits == play_shop(tmp_path / ".", record=plain)
    step = visits[0][0].steps[0]
    assert {type(item) for item in step.observation.slate} == {int}
    assert type(step.feedback.experiences[0].rating) is float
    assert type(record.log[-1][3]["sold"]) is float
    assert str(record.log[-1][3]) == str(plain.log[-1][3])


AT_PAGE = r"{}\(user u0, round 1, page 1\)"


@pytest.mark.parametrize(
    ("body", "where", "said"),
    [
        pytest.param(
            "def observe(self, user, steps): return None",
            AT_PAGE.format("observe"),
            "returned None; it must return an Observation",
            id="observe returns None",
        ),
        pytest.param(
            "def observe(self, *_): return Observation('feed', (0, 99), ('a', 'b'))",
            AT_PAGE.format("observe"),
            "the slate holds item 99; there are 9 items, rows 0 to 8",
            id="an item outside the catalogue",
        ),
        pytest.param(
            "def slate(self, user): return (0, -1)",
            AT_PAGE.format("observe"),
            "the slate holds item -1",
            id="item -1",
        ),
        pytest.param(
            "def slate(self, user): return (1, 2, 1)",
            AT_PAGE.format("observe"),
            "the slate holds item 1 twice",
            id="duplicates in a slate",
        ),
        pytest.param(
            "def slate(self, user): return (1.0, 2.0)",
            AT_PAGE.format("observe"),
            "(the slate holds what is no item: a row is 1.0|raised TypeError)",
            id="items as floats",
        ),
        pytest.param(
            "def slate(self, user): return ()",
            AT_PAGE.format("observe"),
            "the slate is empty",
            id="an empty slate",
        ),
        pytest.param(
            "def respond(self, *_): return Feedback((Experience(77, 4.0, 'world'),), ending='x')",
            AT_PAGE.format("respond"),
            "one of the experiences holds item 77; there are 9 items",
            id="feedback for item 77 of 9",
        ),
        pytest.param(
            """
            def respond(self, user, steps, observation, decision):
                other = next(item for item in range(9) if item not in observation.slate)
                return Feedback((Experience(other, 4.0, "world"),), ending="done")
            """,
            AT_PAGE.format("respond"),
            r"the experiences hold item \d, which was not shown",
            id="feedback for an item not shown",
        ),
        pytest.param(
            """
            def respond(self, *call):
                said = super().respond(*call)
                return Feedback(said.experiences * 2, ending="done")
            """,
            AT_PAGE.format("respond"),
            r'the experiences hold item \d twice with the action ""',
            id="one experience twice",
        ),
        pytest.param(
            "def respond(self, *_): return Feedback((), ending='because ' * 9)",
            AT_PAGE.format("respond"),
            "the ending is 'because because.*, of 72 characters; at most 60",
            id="an ending that is a text",
        ),
        pytest.param(
            "def respond(self, *_): return Feedback((), ending='done\\x1b[2J')",
            AT_PAGE.format("respond"),
            "the ending is .*, which holds a line break or another control character",
            id="an ending with a control character",
        ),
        pytest.param(
            """
            def respond(self, user, steps, observation, decision):
                seen = Experience(observation.slate[0], 4.0, "a\\nb")
                return Feedback((seen,), ending="done")
            """,
            AT_PAGE.format("respond"),
            r"the experiences: the source of item \d is 'a",
            id="a source of two lines",
        ),
        pytest.param(
            "def respond(self, *_): return Feedback((), reward={'a' * 300: 1.0}, ending='done')",
            AT_PAGE.format("respond"),
            "a name in the parts of the reward is 'aaa.*; it must be one line of at most",
            id="a reward with a name of 300 characters",
        ),
        pytest.param(
            """
            def end_round(self, visits):
                return {f"m{n}": 1.0 for n in range(5_000)}
            """,
            r"end_round\(round 1\)",
            "the figures have 5,000 names; at most 1,000",
            id="five thousand figures",
        ),
        pytest.param(
            """
            def observe(self, user, steps):
                slate = self.slate(user)
                cards = tuple(self.cards[item] for item in slate)
                return Observation("feed", slate, cards, context="x" * 300_000)
            """,
            AT_PAGE.format("observe"),
            "the context has 300,000 characters; at most 200,000",
            id="a context that no prompt can hold",
        ),
        pytest.param(
            "def rating(self, item): return 9.0",
            AT_PAGE.format("respond"),
            r"the experiences: the rating of item \d is 9; ratings are stars from 0 to 5",
            id="rating 9",
        ),
        pytest.param(
            "def rating(self, item): return -3",
            AT_PAGE.format("respond"),
            r"the experiences: the rating of item \d is -3; ratings are stars from 0 to 5",
            id="rating -3",
        ),
        pytest.param(
            "def rating(self, item): return float('nan')",
            AT_PAGE.format("respond"),
            r"the experiences: the rating of item \d is NaN; ratings are stars from 0 to 5",
            id="rating NaN",
        ),
        pytest.param(
            "def respond(self, *_): return Feedback((), reward={'s': np.inf}, ending='x')",
            AT_PAGE.format("respond"),
            'the reward "s" is inf; it must be a finite number',
            id="an infinite reward",
        ),
        pytest.param(
            "def respond(self, *_): return Feedback((), ending=None)",
            AT_PAGE.format("respond"),
            "the ending is None; it must be text",
            id="no ending",
        ),
        pytest.param(
            "def respond(self, *_): raise KeyError('price')",
            AT_PAGE.format("respond"),
            "raised KeyError: 'price'",
            id="respond raises",
        ),
        pytest.param(
            "def begin_round(self, round): self.round = round; return [0, 4]",
            r"begin_round\(round 1\)",
            "what was returned holds user 4; there are 4 users, rows 0 to 3",
            id="an unknown user from begin_round",
        ),
        pytest.param(
            "def begin_round(self, round): return None",
            r"begin_round\(round 1\)",
            "what was returned is None; it must be a list or a tuple",
            id="begin_round returns None",
        ),
        pytest.param(
            """
            def begin_round(self, round):
                if round == 2:
                    raise KeyError("weather")
                return super().begin_round(round)
            """,
            r"begin_round\(round 3\)",
            "raised KeyError: 'weather'",
            id="raises in round 3",
        ),
        pytest.param(
            "def end_round(self, visits): return None",
            r"end_round\(round 1\)",
            "returned None; it must return a dict of figures",
            id="end_round returns None",
        ),
        pytest.param(
            "def end_round(self, visits): return {'mood': 'good'}",
            r"end_round\(round 1\)",
            "the figure \"mood\" is 'good'; it must be a number",
            id="a figure that is text",
        ),
        pytest.param(
            "def end_round(self, visits): return {'mood': None}",
            r"end_round\(round 1\)",
            'the figure "mood" is None; it must be a number',
            id="a figure that is None",
        ),
        pytest.param(
            "def end_round(self, visits): return {'mood': np.ones(2)}",
            r"end_round\(round 1\)",
            'the figure "mood" is an array of float64 of shape',
            id="a figure that is an array",
        ),
        pytest.param(
            "def end_round(self, visits): return {'click_through': 1.0}",
            r"end_round\(round 1\)",
            'the figure "click_through" has the name of a built-in metric',
            id="a figure named like a built-in one",
        ),
        pytest.param(
            "def end_round(self, visits): return {'visitors': 4}",
            r"end_round\(round 1\)",
            'the figure "visitors" has the name of a built-in metric',
            id="a figure named like one of the feed",
        ),
        pytest.param(
            """
            def end_round(self, visits):
                self.items = [*self.items, Item("new", "New")]
                return {}
            """,
            "the visits of round 1",
            "items had 9 entries when the environment was built and has 10 now",
            id="a catalogue that grows",
        ),
        pytest.param(
            """
            def observe(self, user, steps):
                np.random.rand()
                return super().observe(user, steps)
            """,
            AT_PAGE.format("observe"),
            "changed the state of the global generator numpy.random",
            id="global numpy.random",
        ),
        pytest.param(
            """
            def begin_round(self, round):
                random.random()
                return super().begin_round(round)
            """,
            r"begin_round\(round 1\)",
            "changed the state of the global generator random",
            id="global random",
        ),
        pytest.param(
            """
            def respond(self, user, steps, observation, decision):
                self.sold[0] += 1
                return super().respond(user, steps, observation, decision)
            """,
            "the visits of round 1",
            'observe or respond changed what state\\(\\) returns: "sold"',
            id="respond changes the state",
        ),
        pytest.param(
            """
            asked = 0

            def observe(self, user, steps):
                self.asked += 1
                shown = (self.asked % 9, (self.asked + 1) % 9)
                return Observation("feed", shown, tuple(self.cards[item] for item in shown))
            """,
            "the visits of round 1",
            "observe for the user in row 0, asked again, returned the slate",
            id="observe counts its calls",
        ),
        pytest.param(
            """
            def state(self):
                return {}

            def restore(self, state):
                pass
            """,
            "the visits of round 2",
            "a fresh copy that was restored to the same state has other figures",
            id="an incomplete state",
        ),
        pytest.param(
            """
            def slate(self, user):
                class Torn(Exception):
                    def __str__(self):
                        raise ValueError("torn")
                raise Torn
            """,
            r"observe\(user u0, round 1, page 1\)",
            r"raised Torn: \(its text raised ValueError\)",
            id="an exception without a text",
        ),
        pytest.param(
            "def restore(self, state): pass",
            r"state\(round 1\)",
            'a fresh copy that was restored to this state returns another: "sold"',
            id="restore that sets nothing",
        ),
        pytest.param(
            """
            def respond(self, user, steps, observation, decision):
                self.items[1].attributes["kind"] = ("sold out",)
                return super().respond(user, steps, observation, decision)
            """,
            r"respond\(user u0, round 1, page 1\)",
            r"changed what it was given: .*sold out",
            id="respond changes an item",
        ),
        pytest.param(
            """
            def end_round(self, visits):
                visits[0].steps[0].feedback.reward["sales"] = 99.0
                return super().end_round(visits)
            """,
            r"end_round\(round 1\)",
            r"changed what it was given: .*99.0",
            id="end_round changes a reward",
        ),
        pytest.param(
            "def state(self): return {'menu': np.array([{'price': 3}], dtype=object)}",
            r"state\(round 1\)",
            'the state "menu" is an array of object',
            id="a state of objects",
        ),
    ],
)
def test_what_an_environment_does_wrong_is_named(tmp_path, body, where, said):
    refused(tmp_path, body, where, said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(
            "def __init__(self, *_): raise ValueError('no milk')",
            r"environment shop.py:Broken, __init__\(\): raised ValueError: no milk \(shop.py:\d+\)",
            id="the constructor raises",
        ),
        pytest.param(
            "end_round = None",
            r"environment shop.py:Broken: lacks end_round\(\) \(shop.py:\d+\)",
            id="end_round is None",
        ),
        pytest.param(
            """
            def __init__(self, *arguments):
                super().__init__(*arguments)
                self.items[3] = Item("i3", "Mocha", {"genre": "Crime"})
            """,
            r"items\[3\].attributes\['genre'\] is the text 'Crime', whose letters would be taken",
            id="an attribute given as text",
        ),
        pytest.param(
            """
            def __init__(self, *arguments):
                super().__init__(*arguments)
                self.popularity = np.ones(5)
            """,
            r"popularity has the shape \(5,\); it must have one number for each of the 9 items",
            id="popularity of the wrong length",
        ),
        pytest.param(
            'own_metrics = ("click_through",)',
            'the figure "click_through" has the name of a built-in metric',
            id="a declared figure named like a built-in one",
        ),
        pytest.param(
            """
            def __init__(self, *arguments):
                super().__init__(*arguments)
                self.cards = self.cards[:4]
            """,
            "there are 4 cards for 9 items",
            id="too few cards",
        ),
        pytest.param(
            """
            def __init__(self, *arguments):
                super().__init__(*arguments)
                self.sold = np.random.rand(9)
            """,
            r"__init__\(\): changed the state of the global generator numpy.random",
            id="global randomness in the constructor",
        ),
    ],
)
def test_what_is_wrong_from_the_start_leaves_no_folder(tmp_path, starec, body, said):
    with pytest.raises(StarecError, match=said):
        build_shop(tmp_path, body)
    config = tmp_path / "shop.yaml"
    config.write_text(
        "{name: shop, rounds: 1, policies: {fast: lexical, slow: lexical}, "
        f"environment: 'shop.py:Broken', runs_dir: {tmp_path / 'runs'}}}"
    )
    status, _, stderr = starec("run", config)
    assert status == 2 and re.search(said, stderr), stderr
    assert not list((tmp_path / "runs").glob("*")), "no folder is left"


def test_a_later_arm_that_cannot_be_built_leaves_no_folder(tmp_path, starec):
    write_shop(tmp_path, "def __init__(self, *_): raise ValueError('no milk')")
    config = tmp_path / "shop.yaml"
    config.write_text(
        "{name: shop, rounds: 1, policies: {fast: lexical, slow: lexical}, "
        f"environment: 'shop.py:Shop', runs_dir: {tmp_path / 'runs'}, "
        "arms: {good: {}, bad: {environment: 'shop.py:Broken'}}}"
    )
    status, _, stderr = starec("run", config)
    assert status == 2 and "raised ValueError: no milk" in stderr
    assert not list((tmp_path / "runs").glob("*"))
