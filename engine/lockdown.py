"""A lock-down outside of the core: sessions end, and nothing that adds risk is handed to a venue or its signer.

The core says whether one is in force (`State.locked`), and it stands across a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.facts import BreakerChanged, Fact
from engine.core.core import Core
from engine.venues import VenueRouter


class LockDown:
    """One per engine. `on_begin` is called once each time one begins: the doors end their sessions."""

    def __init__(self, core: Core) -> None:
        """Nothing is locked until `obey` has looked."""
        self._core = core
        self._is_on = False
        self.on_begin: Callable[[], None] = lambda: None

    def look(self, facts: Sequence[Fact], venues: VenueRouter | None) -> None:
        """A breaker may have begun or ended it."""
        if any(isinstance(fact, BreakerChanged) for fact in facts):
            self.obey(venues)

    def obey(self, venues: VenueRouter | None) -> None:
        """Do as the core says now."""
        was_on, self._is_on = self._is_on, self._core.state.locked
        if venues is not None:
            venues.sealed = self._is_on
        if self._is_on and not was_on:
            self.on_begin()
