"""What a venue can do, as its adapter declares it and as the core is told by `VenueOpened`, and leaves an account."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from domain.instrument import AccountId

BUDGET_STEPS: Final = (50, 25, 10, 5)
"""Percent of an account's actions that are left at which it is told (`BudgetLeft`) and its quotes are moved less."""


class VenueCaps(Struct, frozen=True, kw_only=True):
    """What a venue can do.

    `dead_man`: it cancels everything of an account, stops included, when it is not heard from in time.
    """

    amend: bool = True
    amend_keeps_queue: bool = False
    post_only: bool = True
    reduce_only: bool = True
    triggers: bool = True
    dead_man: bool = False
    batch: int = 1


class BudgetLeft(Struct, kw_only=True, tag="budget_left", array_like=True, gc=False):
    """How many orders and amendments a venue leaves an account before it slows it down.

    Told at the start, and whenever another of `BUDGET_STEPS` is crossed. `full` is what is plenty; `step`
    how many of the steps it has fallen through (0 = there is plenty).
    """

    seq: int = 0
    ts_ns: int = 0
    account: AccountId
    left: int
    full: int
    step: int
