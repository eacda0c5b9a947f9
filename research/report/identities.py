"""What must be true of any run's books: parts are the whole, and every figure follows from what is beside it.

Exact: money is `Decimal`. A record that fails one was made by hand; the run made again tells the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from domain.instrument import ZERO
from research.result import AccountResult, Result, StrategyResult
from risk.statistics import Trade, drawdown, sharpe

BOOKED = ("realised", "unrealised", "fees", "funding")


def amiss(result: Result) -> Iterator[str]:
    """In words, what does not add up; its amounts have been seen to be numbers, its samples to be there."""
    yield from _books(result)
    yield from _curve(result)
    for each in result.strategies:
        yield from _strategy(result, each)
    for number, trade in enumerate(result.trades, 1):
        yield from (f"trade {number}: {text}" for text in _trade(result, trade))
    if any(after.closed_ns < before.closed_ns for before, after in zip(result.trades, result.trades[1:], strict=False)):
        yield "its trades are not in order of closing"


def _books(result: Result) -> Iterator[str]:
    """Deposits, accounts and strategies."""
    for account in result.accounts:
        if account.deposit <= 0:
            yield f"the deposit of {account.id} is {account.deposit}"
        if account.equity != account.deposit + _earned(account):
            yield (
                f"the equity of {account.id} is {account.equity}; deposit, profits, fees and funding come to "
                f"{account.deposit + _earned(account)}"
            )
    for name in ("deposit", "equity", *BOOKED):
        yield from _sum(name, getattr(result, name), [getattr(each, name) for each in result.accounts], "accounts")
    for name in (*BOOKED, "traded", "fills"):
        yield from _sum(name, getattr(result, name), [getattr(each, name) for each in result.strategies], "strategies")
    yield from _sum("unrealised", result.unrealised, [held.unrealised for held in result.open_positions], "positions")
    if result.traded < 0 or result.orders < 0:
        yield "it traded less than nothing"


def _sum(name: str, whole: Decimal | int, parts: list[Decimal | int], of: str) -> Iterator[str]:
    if sum(parts) != whole:
        yield f"its {name} {whole} is not the sum of its {of}', {sum(parts)}"


def _earned(books: AccountResult | StrategyResult) -> Decimal:
    return books.realised + books.unrealised - books.fees + books.funding


def _curve(result: Result) -> Iterator[str]:
    """Samples of equity, and what is drawn from them."""
    times = [at for at, _ in result.samples]
    if result.samples[0] != (result.first_ns, result.deposit):
        yield f"its samples begin with {result.samples[0][1]}, not with its deposit {result.deposit} at its start"
    if times[-1] != result.last_ns:
        yield "its samples do not end when it ends"
    if any([at for at, _ in pairs] != times for pairs in (result.gross, result.net)):
        yield "what it held is not sampled when its equity is"
    elif any(gross < abs(net) for (_, gross), (_, net) in zip(result.gross, result.net, strict=True)):
        yield "it held less altogether than it held net"
    if result.max_drawdown != drawdown(result.samples):
        yield f"its drawdown {result.max_drawdown.amount} is not that of its samples, {drawdown(result.samples).amount}"
    if result.sharpe != sharpe(result.samples):
        yield f"its Sharpe ratio {result.sharpe.value} is not that of its samples, {sharpe(result.samples).value}"
    if not 0 <= result.exposure <= 1:
        yield f"it was in the market {result.exposure} of the time"
    if any([at for at, _ in each.samples] != times for each in result.strategies):
        yield "the profits of its strategies are not sampled when its equity is"
        return
    profits = zip(*[[value for _, value in each.samples] for each in result.strategies], strict=True)
    for at, ((_, equity), parts) in enumerate(zip(result.samples, profits, strict=False)):
        if equity != result.deposit + sum(parts):
            yield f"sample {at + 1}: equity {equity} is not deposit and profits, {result.deposit + sum(parts)}"
            return


def _strategy(result: Result, each: StrategyResult) -> Iterator[str]:
    """One strategy's books and its round trips."""
    closed = [trade for trade in result.trades if trade.strategy == each.id]
    if each.pnl != _earned(each):
        yield f"the PNL {each.pnl} of {each.id} is not profits, fees and funding, {_earned(each)}"
    if each.samples and each.samples[-1][1] != each.pnl:
        yield f"the PNL {each.pnl} of {each.id} is not its last sample, {each.samples[-1][1]}"
    if len(closed) != each.trades:
        yield f"{each.id} has {each.trades} trades, and {len(closed)} are shown"
    if sum(trade.fills for trade in closed) > each.fills + len(closed):  # one through zero ends one and begins one
        yield f"the trades of {each.id} have more fills than it had"
    if any(held.strategy == each.id for held in result.open_positions):
        return
    books = (
        ("profits", each.realised - each.fees, [trade.pnl for trade in closed]),
        ("fees", each.fees, [trade.fees for trade in closed]),
        ("funding", each.funding, [trade.funding for trade in closed]),
    )
    for name, whole, parts in books:
        if sum(parts, start=ZERO) != whole:
            yield f"{each.id} holds nothing, and the {name} of its trades are {sum(parts, start=ZERO)}, not {whole}"


def _trade(result: Result, trade: Trade) -> Iterator[str]:
    """One round trip by itself."""
    if not result.first_ns <= trade.opened_ns <= trade.closed_ns <= result.last_ns:
        yield "its times are not inside the run, or it closed before it opened"
    if trade.side not in {-1, 1} or trade.qty <= 0 or trade.fills < 1:
        yield "no side, quantity or fills"
    if trade.strategy not in {each.id for each in result.strategies}:
        yield f"it is of {trade.strategy}, which was not tested"
    if trade.instrument not in {source.instrument for source in result.sources}:
        yield f"it is in {trade.instrument}, of which there is no data"
    gross, move = trade.pnl + trade.fees, (trade.exit_price - trade.entry_price) * trade.side
    is_known = trade.entry_price > 0 and trade.exit_price > 0
    if is_known and abs(gross) > trade.qty * Decimal(trade.entry_price) / 10**6 and (gross > 0) != (move > 0):
        yield f"it earned {gross} before fees, from {trade.entry_price} to {trade.exit_price}"
