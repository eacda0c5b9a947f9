"""What every route is given: the source of all that is shown and done, the feed, and who may act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.commands import Actor
from domain.errors import MoonDevError
from domain.settings import Environment
from domain.views import PersonView
from gateway.access.access import Access
from gateway.access.caller import Caller
from gateway.access.network import Network
from gateway.hub import Hub
from gateway.idempotency import Once
from gateway.source import Source
from gateway.verb_table import VerbTable
from gateway.watched import RiskReader


class NotAllowed(MoonDevError):
    """A session asked to act as somebody it may not be."""


@dataclass(frozen=True, kw_only=True)
class GatewayConfig:
    """How the gateway behaves, and what it is called."""

    environment: Environment = Environment.PAPER
    product: str = "MoonDev AlgoTrade"
    version: str = ""
    login_hint: str = "The service prints a new login link when it starts."


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """The parts behind the routes; one per app, found at `request.state.gateway`."""

    config: GatewayConfig
    access: Access
    network: Network
    risk: RiskReader
    source: Source
    hub: Hub
    verbs: VerbTable
    once: Once

    async def still(self, caller: Caller) -> bool:
        """Tell whether a caller may go on: who holds a connection open asks every other second.

        Raises `AccessLost`.
        """
        return await self.access.alive(caller.identity) and self._is_known(caller.person)

    def _is_known(self, person: str) -> bool:
        return any(view.id == person for view in self.source.persons())

    def actor(self, caller: Caller, person: str = "") -> Actor:
        """Who acts: the caller's person or, in paper only, another one, so that approvals can be tried alone.

        Raises `NotAllowed`.
        """
        person = person or caller.person
        if person != caller.person and (self.config.environment is not Environment.PAPER or not caller.is_person):
            raise NotAllowed(f"Only paper lets a session act as another person ({person})")
        if not self._is_known(person):
            raise NotAllowed(f"There is no person {person!r}")
        return caller.actor(person)

    def persons(self, caller: Caller) -> Sequence[PersonView]:
        """Whom a caller may act as: itself, and in paper a session everybody."""
        everybody = self.source.persons()
        if self.config.environment is Environment.PAPER and caller.is_person:
            return everybody
        return [person for person in everybody if person.id == caller.person]
