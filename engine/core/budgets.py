"""What venues leave accounts of their actions, and how much less quotes are moved for it.

    tolerance = quote_tolerance_ticks + price * quote_widening * 2**(step - 1)      step 0: the ticks alone

A quote is never further off than that, however little is left: a pause between amendments would bound the messages,
but not how stale a price may get. What reduces is not held back.
"""

from __future__ import annotations

from domain.account import Account
from domain.facts import Severity, TradingState
from domain.venue import BUDGET_STEPS, BudgetLeft
from engine.core.core import Core
from engine.core.state import Slot
from risk.gate import PPM

ACTIVE = TradingState.ACTIVE


def on_budget_left(core: Core, event: BudgetLeft) -> None:
    """A venue says how many actions it leaves an account; people hear of every other step once."""
    account = core.state.accounts.get(event.account)
    if account is None:
        return
    before = account.actions_step
    account.actions_left, account.actions_full = event.left, event.full
    account.actions_step = step = max(0, min(event.step, len(BUDGET_STEPS)))
    if step == before:
        return
    left = words(core, account) if step else f"actions enough again ({event.left:,}). Quotes are moved as ever."
    severity = Severity.WARNING if step > before else Severity.INFO
    core.alert(severity, "actions_left", f"{event.account} has {left}", account=account.id)


def words(core: Core, account: Account) -> str:
    """What is left to an account that has fallen through a step, and what that means."""
    percent = BUDGET_STEPS[account.actions_step - 1]
    ppm = widening_ppm(core, account)
    moved = f"moved only when they are more than {ppm / 100:g} bp off" if ppm else "moved as ever (quote_widening is 0)"
    return (
        f"at most {percent} % of its actions left ({account.actions_left:,} of {account.actions_full:,}). "
        f"Quotes are {moved}; cancels, stops and whatever reduces go as ever."
    )


def widening_ppm(core: Core, account: Account) -> int:
    """How far off its quotes may be beyond the ticks of the settings, in millionths of the price."""
    return core.widening_ppm << account.actions_step >> 1 if account.actions_step else 0


def widening(core: Core, slot: Slot) -> int:
    """The same for the quotes of a slot, as a price distance; 0 while all they may do is reduce."""
    account = core.state.accounts[slot.account]
    if not account.actions_step or core.trading_of(slot) is not ACTIVE:
        return 0
    return core.markets[slot.instrument].reference() * widening_ppm(core, account) // PPM
