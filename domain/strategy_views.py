"""What a command about a strategy would come to, for who is asked before it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import TypeAlias

from msgspec import Struct

from domain.commands import LoadStrategy, ReloadStrategy, SetParams, StartStrategy, UnloadStrategy

AboutStrategy: TypeAlias = LoadStrategy | StartStrategy | SetParams | ReloadStrategy | UnloadStrategy
"""What is asked about first."""


class StrategyProposal(Struct, frozen=True, kw_only=True):
    """What would change, in words; with a `problem` nothing would.

    `status` "" = it is not loaded. `changes` are parameters, old and new, `usual` those that nobody names; `signal` is
    what it wanted last, where that would be acted on; `held` its open positions, signed;
    `orders` those of it that work now, `protections` those among them that only reduce. `votes` of others it needs.
    """

    kind: str = ""
    account: str = ""
    instruments: tuple[str, ...] = ()
    status: str = ""
    detail: str = ""
    changes: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    signal: str = ""
    held: tuple[tuple[str, Decimal], ...] = ()
    orders: int = 0
    protections: int = 0
    votes: int = 0
    source_hash: str = ""
    """Of the text that would be read and decide from then on; "" = none is read."""
    source_before: str = ""
    """Of the text that decides now."""
    text: tuple[str, ...] = ()
    """How that text differs, as a unified diff."""
    problem: str = ""
