"""Stress tests: what a shock would cost with what is held now, told without flattery.

A shock names moves of some assets; the others follow the first one named. Three ways are computed, the worst is the
answer: `betas` (others move by their beta), `together` (correlation 1: nothing moves less than the leader, betas under
one are one) and `hedges fail` (as together, but what would gain does not move). Stops are not counted: within a minute
they fill behind the price. Spreads widen by the shock's factor when everything is closed. On one account no more can be
lost than its equity; where that falls under the maintenance margin, the venue closes it first, at its own prices.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from msgspec import Struct

from domain.instrument import ZERO, AccountId
from domain.text import plain
from risk.exposure import Holding

ONE = Decimal(1)
EVERYTHING = "ALL"
UNKNOWN_SPREAD = Decimal("0.001")
"""Taken where no touch is known."""
FREE_SPREAD_TIMES = Decimal(10)
"""How many times spreads widen in a shock that a person types."""


class Shock(Struct, frozen=True, kw_only=True):
    """Moves of assets as fractions (`EVERYTHING` = all others alike; else they follow the first one named).

    `currencies` are falls of the currencies that accounts are kept in. `deviations`: everything moves so many daily
    deviations against what is held.
    """

    name: str
    what: str
    moves: Mapping[str, Decimal] = {}
    currencies: Mapping[str, Decimal] = {}
    deviations: int = 0
    spread_times: Decimal = FREE_SPREAD_TIMES


def _d(text: str) -> Decimal:
    return Decimal(text)


SHOCKS = (
    Shock(name="btc-10", what="BTC falls 10 % in a minute", moves={"BTC": _d("-0.1")}),
    Shock(name="btc-20", what="BTC falls 20 % in a minute", moves={"BTC": _d("-0.2")}),
    Shock(name="btc+20", what="BTC rises 20 % in a minute", moves={"BTC": _d("0.2")}),
    Shock(
        name="march-2020",
        what="as on 12 March 2020: BTC falls 40 % within a day, spreads are 20 times as wide",
        moves={"BTC": _d("-0.4")},
        spread_times=Decimal(20),
    ),
    Shock(
        name="october-2025",
        what="as on 10 October 2025: BTC falls 15 %, everything else 50 %, spreads are 20 times as wide",
        moves={"BTC": _d("-0.15"), EVERYTHING: _d("-0.5")},
        spread_times=Decimal(20),
    ),
    Shock(name="usdc-12", what="as on 11 March 2023: USDC is worth 0.88", currencies={"USDC": _d("-0.12")}),
    Shock(name="usdt-5", what="as on 12 May 2022: USDT is worth 0.95", currencies={"USDT": _d("-0.05")}),
    Shock(name="against", what="everything moves three daily deviations against what is held", deviations=3),
    Shock(name="spreads", what="no price moves, but everything has to be closed at 10 times the spread"),
)


class AccountMoney(Struct, frozen=True, kw_only=True):
    """Equity of an account in the currency it is kept in."""

    account: AccountId
    currency: str
    equity: Decimal


class Behaviour(Struct, frozen=True, kw_only=True):
    """How one asset has moved: `beta` to the shock's leader and `daily_deviation` (None = too few samples)."""

    beta: Decimal | None = None
    daily_deviation: Decimal | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """What a shock costs. Profits are positive; `worst` is the smallest of `ways`, capped by account equity.

    `moves` are those of the worst way, by asset. `exit_cost` comes on top when everything is closed then.
    `accounts` are told of: liquidated, or at which part of the shock (1 = just at it) they would be.
    """

    shock: Shock
    ways: tuple[tuple[str, Decimal], ...]
    worst: Decimal
    moves: tuple[tuple[str, Decimal], ...]
    exit_cost: Decimal
    liquidated: tuple[AccountId, ...]
    liquidated_at: tuple[tuple[AccountId, Decimal], ...]
    beyond_touch: tuple[tuple[str, Decimal], ...]
    """Instruments of which more is held than the touch takes: how many times as much."""
    assumed: tuple[str, ...]
    """What had to be assumed, in words."""


def run(
    shock: Shock,
    holdings: Sequence[Holding],
    accounts: Sequence[AccountMoney],
    behaviour: Mapping[str, Behaviour],
) -> Outcome:
    """Apply a shock to what is held."""
    assumed: list[str] = []
    betas = [_move(shock, h, behaviour, assumed) for h in holdings]
    leader = next(iter(shock.moves.values()), ZERO)
    together = [_at_least(move, leader, h, shock) for move, h in zip(betas, holdings, strict=True)]
    fail = [min(ZERO, move * _sign(h.value)) * _sign(h.value) for move, h in zip(together, holdings, strict=True)]
    ways = {"betas": betas, "together": together, "hedges fail": fail}
    results = {name: _total(moves, shock, holdings, accounts) for name, moves in ways.items()}
    worst = min(results, key=lambda name: results[name])
    moves = ways[worst]
    if any(h.spread is None for h in holdings):
        assumed.append(f"where no touch is known, a spread of {UNKNOWN_SPREAD:.2%}")
    liquidated, at = _liquidations(moves, shock, holdings, accounts)
    return Outcome(
        shock=shock,
        ways=tuple(results.items()),
        worst=results[worst],
        moves=tuple({h.asset: move for h, move in zip(holdings, moves, strict=True)}.items()),
        exit_cost=sum(
            (_exit_cost(shock, h, move) for h, move in zip(holdings, moves, strict=True)),
            start=ZERO,
        ),
        liquidated=liquidated,
        liquidated_at=at,
        beyond_touch=tuple(
            (h.instrument, abs(h.value) / h.touch_value) for h in holdings if ZERO < h.touch_value < abs(h.value)
        ),
        assumed=tuple(dict.fromkeys(assumed)),
    )


def _sign(value: Decimal) -> int:
    return 1 if value > 0 else -1


def _move(shock: Shock, held: Holding, behaviour: Mapping[str, Behaviour], assumed: list[str]) -> Decimal:
    """How far an asset moves by what is known of it."""
    known = behaviour.get(held.asset, Behaviour())
    if shock.deviations:
        deviation = known.daily_deviation
        if deviation is None:
            deviation = Decimal("0.05")
            assumed.append(f"{held.asset} has too few samples: a daily deviation of 5 %")
        return max(-ONE, -_sign(held.value) * shock.deviations * deviation)
    if held.asset in shock.moves:
        return shock.moves[held.asset]
    if EVERYTHING in shock.moves or not shock.moves:
        return shock.moves.get(EVERYTHING, ZERO)
    leader, move = next(iter(shock.moves.items()))
    if known.beta is None:
        assumed.append(f"{held.asset} has too few samples: it moves as {leader} does")
        return move
    return max(-ONE, move * known.beta)


def _at_least(move: Decimal, leader: Decimal, held: Holding, shock: Shock) -> Decimal:
    """With correlation 1 nothing that was not named moves less than the leader."""
    if held.asset in shock.moves or EVERYTHING in shock.moves or shock.deviations:
        return move
    return min(move, leader) if leader < 0 else max(move, leader)


def _lost_in_currency(shock: Shock, account: AccountMoney) -> Decimal:
    return account.equity * shock.currencies.get(account.currency, ZERO)


def _total(
    moves: Sequence[Decimal], shock: Shock, holdings: Sequence[Holding], accounts: Sequence[AccountMoney]
) -> Decimal:
    """Profit over all accounts, each losing at most what it has."""
    total = ZERO
    for account in accounts:
        profit = _lost_in_currency(shock, account) + _profit(moves, holdings, account.account)
        total += max(profit, -max(account.equity, ZERO))
    return cents(total)


def _profit(moves: Sequence[Decimal], holdings: Sequence[Holding], account: AccountId) -> Decimal:
    return sum((h.value * m for h, m in zip(holdings, moves, strict=True) if h.account == account), start=ZERO)


def _liquidations(
    moves: Sequence[Decimal], shock: Shock, holdings: Sequence[Holding], accounts: Sequence[AccountMoney]
) -> tuple[tuple[AccountId, ...], tuple[tuple[AccountId, Decimal], ...]]:
    """Accounts that venues would close, and at which part of the shock every account that loses would be."""
    closed: list[AccountId] = []
    at: list[tuple[AccountId, Decimal]] = []
    for account in accounts:
        of_it = [(h, m) for h, m in zip(holdings, moves, strict=True) if h.account == account.account]
        now = sum((abs(h.value) * h.maintenance_margin for h, _ in of_it), start=ZERO)
        then = sum((abs(h.value) * (1 + m) * h.maintenance_margin for h, m in of_it), start=ZERO)
        gone = -_lost_in_currency(shock, account) - _profit(moves, holdings, account.account)
        if not now or gone <= 0:
            continue
        # equity - part * gone = now + part * (then - now), both linear in the part of the shock
        slope = gone + then - now
        part = (account.equity - now) / slope if slope > 0 else Decimal(100)
        if part <= 1:
            closed.append(account.account)
        at.append((account.account, part.quantize(Decimal("0.01"), ROUND_HALF_EVEN)))
    return tuple(closed), tuple(at)


def _exit_cost(shock: Shock, held: Holding, move: Decimal) -> Decimal:
    """Half the widened spread and the taker's fee, of the worth after the move."""
    spread = held.spread if held.spread is not None else UNKNOWN_SPREAD
    return cents(abs(held.value) * (1 + move) * (spread / 2 * shock.spread_times + held.fee))


def cents(amount: Decimal) -> Decimal:
    """An amount in whole cents."""
    return amount.quantize(Decimal("0.01"), ROUND_HALF_EVEN)


_FREE = re.compile(
    r"(?P<asset>[A-Za-z][A-Za-z0-9]*)\s+(?:(?P<word>[a-z]+)\s+)?(?:by\s+)?"
    r"(?P<number>[+\-\N{MINUS SIGN}]?\d{1,4}(?:\.\d{1,4})?)(?!\d)\s*%?(?:\s+in\s+an?\s+[a-z]+)?[\s,;.]*",
    re.IGNORECASE,
)
_DOWN = frozenset({"falls", "fall", "drops", "drop", "loses", "lose", "down", "crashes"})
_UP = frozenset({"rises", "rise", "gains", "gain", "up", "jumps"})
HOW = "say for example: BTC -20, or BTC falls 20 %, ETH -30, or all -10; or one of: "


def parse(text: str, assets: Sequence[str]) -> Shock | str:
    """A named shock, or one that a person describes; else why it is not understood.

    `BTC -20` · `what if BTC falls 20 % in a minute` · `BTC -20 ETH -30` · `all -10`; numbers are per cent.
    """
    wanted = re.sub(r"^\s*what\s+if\s+", "", text.strip(), flags=re.IGNORECASE).rstrip("?. ")
    named = {shock.name: shock for shock in SHOCKS}
    if wanted.lower() in named:
        return named[wanted.lower()]
    how = HOW + ", ".join(named)
    moves: dict[str, Decimal] = {}
    at = 0
    while at < len(wanted):
        found = _FREE.match(wanted, at)
        if found is None:
            return f"{plain(wanted[at:], 60)!r} is not understood; {how}"
        move = _signed(found["word"] or "", found["number"].replace("\N{MINUS SIGN}", "-"))
        asset = found["asset"].upper()
        if move is None:
            return f"does {plain(asset, 20)} rise or fall? {how}"
        if not -ONE <= move <= 10:
            return f"{plain(asset, 20)} cannot move by {move:.0%}: from -100 % to +1000 %"
        if asset not in assets and asset != EVERYTHING:
            return f"no contract on {plain(asset, 20)} is configured: {', '.join(assets)}, or all"
        moves[asset] = move
        at = found.end()
    if not moves:
        return how
    what = ", ".join(f"{a.lower() if a == EVERYTHING else a} {percent(m)}" for a, m in moves.items())
    return Shock(name="your own", what=what, moves=moves)


def percent(move: Decimal) -> str:
    """A move as people write it: -20 %, +2.5 %."""
    return f"{(move * 100).normalize():+f} %"


def _signed(word: str, number: str) -> Decimal | None:
    """The move that a word and a number mean, as a fraction; None when the direction is not said, or twice."""
    value = Decimal(number) / 100
    has_sign = number[0] in "+-"
    if word.lower() in _DOWN | _UP:
        return None if has_sign else (-value if word.lower() in _DOWN else value)
    return value if has_sign and not word else None
