"""The exam: who is asked, which lists she is given, and what may be learned before.

A protocol is data; an exam is a protocol applied to a dataset with a seed. Agents sit it in the
`exam` environment, recommenders score its lists, and both see the same ones.
"""

from starec_sim.holdout.holdout import HoldOut
from starec_sim.holdout.protocol import Protocol, read_protocol
from starec_sim.holdout.user_logs import UNRATED_STARS, UserLog, by_user

__all__ = ["UNRATED_STARS", "HoldOut", "Protocol", "UserLog", "by_user", "read_protocol"]
