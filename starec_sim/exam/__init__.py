"""The exam: who is asked, which lists she is given, and what may be learned before.

A protocol is data; an exam is a protocol applied to a dataset with a seed. Agents sit it in the
`exam` environment, recommenders score its lists, and both see the same ones.
"""

from starec_sim.exam.exam import Exam
from starec_sim.exam.lives import UNRATED_STARS, Life, by_user
from starec_sim.exam.protocol import Protocol, read_protocol

__all__ = ["UNRATED_STARS", "Exam", "Life", "Protocol", "by_user", "read_protocol"]
