"""Numbers and names of the trials in the record of a training.

The episodes that are learned from have the numbers 0, 1, 2, ...
"""

TEACHER_TRIAL = 1_000_000
"""The trial in which a teacher plays."""
FIRST_VALIDATION_TRIAL = 2_000_000
"""The validation before the first step; the one after step N has this number + N."""


def validation_arm(step: int) -> str:
    """Return the name of the arm that records the validation after a step."""
    return f"validation after {step} steps"


def is_validation(trial: int) -> bool:
    """Return whether the trial with this number is a validation."""
    return trial >= FIRST_VALIDATION_TRIAL
