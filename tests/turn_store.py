"""The store of turns for tests: a dictionary in the place of a run's record."""


class Turns(dict):
    """Turns by their keys; implements `starec_sim.policies.gateway.TurnStore`.

    Args:
        resumes: Whether turns are found again, as in a run that is resumed. If not, every question
            is asked.
    """

    def __init__(self, resumes=False):
        super().__init__()
        self._resumes = resumes

    def find(self, key):
        return self.get(key) if self._resumes else None

    def add(self, key, turn):
        assert not (self._resumes and key in self), "an answer that was found is not added again"
        self[key] = turn
