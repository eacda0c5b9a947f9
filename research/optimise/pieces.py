"""What a run leaves behind for a study: returns step by step, and counts of each block.

A train or test set is some of these, put together: no run is repeated to look at another fold.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal

import numpy as np
from msgspec import Struct

from domain.instrument import ZERO
from research.measures.figure import Floats
from risk.statistics import Trade

Turned = tuple[int, float, float]
"""A fill: its time, its notional and its fee."""


class Block(Struct, kw_only=True):
    """Counts of one block; a round trip belongs to the block that it closes in. Money in the account's currency.

    `traded` is the notional turned over.
    """

    trades: int = 0
    wins: int = 0
    won: float = 0.0
    lost: float = 0.0
    fees: float = 0.0
    traded: float = 0.0


class Pieces(Struct, frozen=True, kw_only=True):
    """Returns of `block_steps` steps a block for as many blocks as were run, and their counts."""

    returns: tuple[float, ...]
    blocks: tuple[Block, ...]
    deposit: float
    longest_steps: int = 0
    """Steps that the longest round trip touched: what has to be purged beside a test set."""


def steps_of(
    samples: Sequence[tuple[int, Decimal | float]], deposit: Decimal | float, edges: Sequence[int], step_ns: int
) -> Floats:
    """Simple returns of equity from step to step over [edges[0], edges[-1]); a step without samples returned 0."""
    times = [ts_ns for ts_ns, _ in samples]
    ends = range(edges[0] + step_ns, edges[-1] + 1, step_ns)
    equity = [float(deposit)]
    for end_ns in ends:
        index = bisect_right(times, end_ns) - 1
        equity.append(float(samples[index][1]) if index >= 0 else equity[-1])
    before, after = np.array(equity[:-1]), np.array(equity[1:])
    alive = before > 0
    return np.where(alive, np.maximum(after, 0.0) / np.where(alive, before, 1.0) - 1.0, 0.0)


def blocks_of(turned: Iterable[Turned], trades: Iterable[Trade], edges: Sequence[int]) -> tuple[Block, ...]:
    """Counts of every block in `edges`."""
    blocks = [Block() for _ in edges[1:]]
    last = len(blocks) - 1

    def block(ts_ns: int) -> Block:
        return blocks[min(max(bisect_right(edges, ts_ns) - 1, 0), last)]

    for ts_ns, notional, fee in turned:
        found = block(ts_ns)
        found.fees += fee
        found.traded += notional
    for trade in trades:
        found = block(trade.closed_ns)
        found.trades += 1
        if trade.pnl > ZERO:
            found.wins += 1
            found.won += float(trade.pnl)
        else:
            found.lost -= float(trade.pnl)
    return tuple(blocks)


def longest(trades: Iterable[Trade], step_ns: int) -> int:
    """Steps that the longest round trip touched."""
    return max((trade.closed_ns // step_ns - trade.opened_ns // step_ns + 1 for trade in trades), default=0)


def part(pieces: Pieces, which: Sequence[int], *, purged: frozenset[int] = frozenset()) -> Pieces:
    """The blocks `which` of a run, without the returns of the steps `purged`."""
    steps = len(pieces.returns) // len(pieces.blocks)
    kept = [step for block in which for step in range(block * steps, (block + 1) * steps) if step not in purged]
    return Pieces(
        returns=tuple(pieces.returns[step] for step in kept),
        blocks=tuple(pieces.blocks[block] for block in which),
        deposit=pieces.deposit,
        longest_steps=pieces.longest_steps,
    )
