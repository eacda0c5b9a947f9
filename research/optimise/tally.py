"""What a study has come to, counted as it goes: no question has to look through all trials."""

from __future__ import annotations

from collections import Counter

from research.optimise.definition import Numbered
from research.optimise.objectives import Objective


class Tally:
    """Counts of a study's trials; what had been tried before is no trial of its own."""

    def __init__(self, objective: Objective) -> None:
        """Nothing yet; `objective` says which run is the best."""
        self._objective = objective
        self.asked = 0
        """Valid combinations that were asked for, each once."""
        self.invalid = 0
        """Combinations that the strategy's own model refused."""
        self.refused_in_a_row = self.repeats_in_a_row = 0
        """Since the last combination that was new."""
        self.finished = 0
        """Runs that have come back."""
        self.states: Counter[str] = Counter()
        """Runs by how they ended."""
        self.best: float | None = None
        """The best value of the objective over complete runs."""

    def tried(self, trial: Numbered) -> None:
        """A combination was asked for."""
        if not trial.is_valid:
            self.invalid += 1
            self.refused_in_a_row += 1
        elif trial.is_repeat:
            self.repeats_in_a_row += 1
        else:
            self.asked += 1
            self.refused_in_a_row = self.repeats_in_a_row = 0

    def came(self, trial: Numbered) -> None:
        """Its run, where there is one."""
        run = trial.run
        if run is None or trial.is_repeat:
            return
        self.finished += 1
        self.states[run.state] += 1
        value = run.values[0] if run.state == "complete" else None
        if value is not None and (self.best is None or (value - self.best) * self._objective.sign > 0):
            self.best = value
