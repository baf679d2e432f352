"""The address of a question decides its random seed and where its answer is cached."""

from dataclasses import replace

from starec_sim.evaluation.audits.questions import PanelQuestion
from starec_sim.tasks import FEED
from starec_sim.types import Experience, Memory


def test_the_round_of_a_question_is_the_one_it_had_in_published_audits() -> None:
    memory = Memory((Experience(1, 4.0, "logged"),), "hello")
    plain = PanelQuestion(3, (1, 2), memory)
    assert plain.round == 482205121803
    other = replace(plain, person=2, task=FEED, titles="masked", wording="other", repeat=5)
    assert other.round == 192798693683
    assert replace(other, repeat=0).round == other.round
    assert replace(plain, pages=2).round not in (plain.round, replace(plain, pages=3).round)
