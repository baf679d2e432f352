"""How the shipped policy is made: a corpus that keeps its word, a training that can be killed."""

import sys
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from starec_sim import plugins
from starec_sim.answers import card_terms, read_decision, read_prompt, thought
from starec_sim.policies.nano import HERE as SHIPPED
from starec_sim.tasks import RANKING
from starec_sim.types import Observation

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def folders():
    """What a script of these folders imports lies beside it."""
    added = [str(ROOT / "experiments" / "05_nano"), str(ROOT / "benchmarks")]
    sys.path[:0] = added
    yield
    sys.path[:] = [path for path in sys.path if path not in added]


@pytest.fixture(scope="module")
def tokenizer():
    return PreTrainedTokenizerFast.from_pretrained(SHIPPED / "anchored")


@pytest.fixture(scope="module")
def rankings(folders):
    from corpus import samples

    return [one for one in islice(samples(seed=3), 250) if one.kind == "ranking"]


def first_line(one):
    return thought(one.answer).splitlines()[0]


class TestTheCorpus:
    def test_a_sample_is_a_function_of_the_seed_and_its_number(self):
        from corpus import sample

        assert [*sample(3, 17)] == [*sample(3, 17)]
        assert [*sample(3, 17)] != [*sample(4, 17)]

    @pytest.mark.slow
    def test_an_answer_does_what_its_first_line_says(self, rankings):
        from nano import kept_promises

        for one in rankings[:100]:
            assert all(kept_promises(one.messages[1][1], one.answer)), one.answer

    @pytest.mark.slow
    def test_answers_are_without_flaw(self, rankings):
        for one in rankings:
            count = len(read_prompt(one.messages).candidates)
            observation = Observation(RANKING, tuple(range(count)), ("",) * count)
            _, findings = read_decision(one.answer, observation)
            assert not findings.counts, one.answer

    def test_on_bare_cards_attributes_speak_at_both_degrees_alike(self, rankings):
        bare = [first_line(one) for one in rankings if ", " not in first_line(one)]
        assert {*bare} >= {"By taste 1", "By taste 2", "By habit 1", "By habit 2"}
        loud = sum(line.endswith("2") for line in bare) / len(bare)
        assert 0.35 < loud < 0.65

    def test_hints_stand_where_attributes_end(self, rankings):
        from hints import NOTHING, hints

        told = 0
        for one in rankings[:50]:
            asked = one.messages[1][1]
            offered = asked.index("<candidates>")
            counted = first_line(one).startswith("By habit")
            for end, word in hints(asked, one.tastes, counted):
                assert asked[end:].startswith((", ", " | ", "\n")), asked[end - 20 : end + 20]
                if end < offered:
                    continue
                start = max(asked.rfind(mark, 0, end) + 2 for mark in (": ", ", "))
                (term,) = card_terms(f"title | value: {asked[start:end]}")
                told += word != NOTHING
                if counted:
                    assert word == NOTHING or " of " in word
                else:
                    assert word == (f": {one.tastes[term]}" if term in one.tastes else NOTHING)
        assert told > 50

    def test_hints_count_what_was_met_before(self):
        from hints import hints

        asked = """<preferences>
Pop: liked (2 of 3)
</preferences>
<history>
- 4 stars: liked | "One" | genre: Pop, Ska
- 2 stars: disliked | "Two, The" | genre: Ska
</history>
<candidates>
A. "Three" | genre: Ska | seen by: few | liked together with: 1 (One)
B. "Four" | genre: Soul
</candidates>"""

        def told(habit):
            found = hints(asked, {"Ska": "hated"}, habit)
            return [(asked[:end].split()[-1], word) for end, word in found]

        before = [("Pop", "3 of 4"), ("Ska", "1 of 1"), ("Ska", "1 of 2")]
        assert told(False) == [*before, ("Ska", ": hated"), ("Soul", ", ")]
        assert told(True) == [*before, ("Ska", "1 of 2"), ("Soul", ", ")]


def test_the_undecided_teacher_tries_many_guesses_and_sticks_to_each(rankings):
    teacher = plugins.load(
        "policies", f"{ROOT}/experiments/05_nano/undecided.py:Undecided", "use"
    )()

    def answers():
        return [teacher.invoke([*one.messages]).text for one in rankings[:80]]

    given = answers()
    assert given == answers()
    assert len({thought(answer).splitlines()[0] for answer in given}) > 30


def test_each_choice_of_a_first_line_is_one_token_of_the_tokenizer_that_ships(tokenizer):
    for by in ("taste", "habit"):
        for degree in (1, 2):
            line = f"\nBy {by} {degree}, popularity 3, rating 0, together 2\n"
            assert len(tokenizer(line).input_ids) == 5, tokenizer.tokenize(line)
            assert tokenizer.decode(tokenizer(line).input_ids) == line


def test_what_items_are_called_is_not_read(tokenizer):
    asked = """<history>
- 4 stars: liked | "{}" | genre: Pop | year: 1994
</history>
<candidates>
A. "{}" | genre: Ska | liked together with: 12 ({}, Six)
B. "{}" | genre: Era 3 (early)
</candidates>
Answer like this: "A > B"."""
    one = tokenizer(asked.format("Up", "One", "Two", "Five")).input_ids
    other = tokenizer(asked.format("Drei", "Four, The (Vier)", "Sci-Fi; (A", "< & >")).input_ids
    assert one == other
    assert "Era 3 (early)" in tokenizer.decode(one) and '"A > B"' in tokenizer.decode(one)


def test_a_question_is_read_once_for_all_of_its_answers_and_each_is_as_if_alone(tokenizer):
    import batches
    from corpus import sample
    from model import Decoder, Shape

    torch.manual_seed(1)
    model = Decoder(Shape(inner=64))
    reader = batches.Reader(tokenizer, 5)
    rows = [batches.encoded(tokenizer, one) for n in range(6) for one in sample(5, n)]
    assert max(len(row.answers) for row in rows) > 1
    batch = reader._filled(rows)
    start = 0

    @torch.no_grad()
    def states(one):
        return model(one.ids, one.positions, one.blocks)

    together = states(batch)
    for row in rows:
        place = row.question
        for size in row.answers:
            kept = [*range(row.question), *range(place, place + size)]
            ids, following = ([part[n] for n in kept] for part in (row.ids, row.following))
            alone = reader._filled([batches.Encoded(ids, following, len(ids), [])])
            assert alone.positions[: len(ids)].tolist() == [*range(len(ids))]
            at = torch.tensor(kept) + start
            torch.testing.assert_close(together[at], states(alone)[: len(ids)])
            assert torch.equal(batch.following[at], alone.following[: len(ids)])
            place += size
        start += len(row.ids)


def test_what_attends_to_what_has_gradients_as_torch_computes_them():
    from attention import attention, blocks_of, table_of

    torch.manual_seed(2)
    question, answers, start = 300, (5, 40), 7
    length = start + question + sum(answers)
    may = torch.ones(length, length, dtype=torch.bool).tril()
    may[:, :start] = may[-40:, start + question : start + question + 5] = False
    may.fill_diagonal_(True)
    table = table_of([*blocks_of(start, question, answers)], 9)
    q, k, v = (torch.randn(length, *heads, 16, requires_grad=True) for heads in ((3,), (), ()))
    wanted = torch.nn.functional.scaled_dot_product_attention(
        q.transpose(0, 1), k.expand(3, -1, -1), v.expand(3, -1, -1), attn_mask=may
    ).transpose(0, 1)[start:]
    mixed = attention(q, k, v, table)[start:]
    torch.testing.assert_close(mixed, wanted)
    weights = torch.randn_like(wanted)
    for here, there in zip(
        torch.autograd.grad((mixed * weights).sum(), (q, k, v)),
        torch.autograd.grad((wanted * weights).sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(here, there)


class TestSupervisedTraining:
    @pytest.fixture
    def train(self, monkeypatch, tokenizer):
        """Train a few steps, reporting nothing, uncompiled."""
        import batches
        import sft

        monkeypatch.setattr(torch, "compile", lambda model, **_: model)
        monkeypatch.setattr(batches, "BATCH_TOKENS", 1_280)
        monkeypatch.setattr(sft, "BATCH_TOKENS", 1_280)

        def train(out, steps, reports=lambda *_: None, **settings):
            tokenizer.save_pretrained(out)
            monkeypatch.setattr(sft, "_report", reports)
            sft.train(out, steps * 1_280, 0.01, 5, 1, **settings)
            return LlamaForCausalLM.from_pretrained(out / "model").state_dict()

        return train

    @pytest.mark.slow
    def test_killed_and_started_again_it_comes_to_the_same_weights(
        self, train, tmp_path, monkeypatch
    ):
        import sft
        from model import Decoder, Shape

        monkeypatch.setattr(sft, "Decoder", partial(Decoder, Shape(inner=64)))
        whole = train(tmp_path / "whole", 2)
        calls = []

        def killed(*_):
            calls.append(1)
            if len(calls) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "halves", 2, killed)
        again = train(tmp_path / "halves", 2)
        assert all(torch.equal(again[name], weight) for name, weight in whole.items())

    @pytest.mark.slow
    def test_it_begins_where_exported_weights_end(self, train, tmp_path):
        from sft import carried

        begin = SHIPPED / "anchored"
        learned = train(tmp_path, 3, begin=begin, seen=2 * 1_280)
        known = carried(begin, PreTrainedTokenizerFast.from_pretrained(begin))
        apart = [(learned[f"model.{n}"].float() - w).abs().max() for n, w in known.items()]
        assert 0 < max(apart) < 0.02, "one step, the first of the warm-up"
