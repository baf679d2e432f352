"""The hold-out: the evaluated users, their candidate lists, and the training interactions.

A protocol is data. A hold-out is a protocol applied to a dataset with a seed. Agents rank its lists
in the `holdout` environment, recommenders score them, and both get the same lists.
"""

from starec_sim.holdout.environment import HoldOutSettings, environment_name
from starec_sim.holdout.holdout import HoldOut
from starec_sim.holdout.protocol import EvaluationProtocol, read_protocol
from starec_sim.holdout.user_logs import UNRATED_STARS, UserLog, by_user

__all__ = [
    "UNRATED_STARS",
    "EvaluationProtocol",
    "HoldOut",
    "HoldOutSettings",
    "UserLog",
    "by_user",
    "environment_name",
    "read_protocol",
]
