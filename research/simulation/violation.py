"""What is raised when an invariant is broken, and how a simulated process dies."""

from __future__ import annotations


class Violation(Exception):
    """An invariant does not hold. `rule` is its short name, the text says what was seen."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(f"{rule}: {text}")
        self.rule = rule


class Killed(BaseException):
    """The simulated process is dead as of now; not an Exception, so that nothing inside survives it."""


def require(holds: bool, rule: str, text: str) -> None:
    """Raise `Violation` unless it holds."""
    if not holds:
        raise Violation(rule, text)
