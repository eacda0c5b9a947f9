"""Train and test sets over the blocks of a study: walk-forward, purged k-fold, combinatorial purged cross-validation.

    M. Lopez de Prado, Advances in Financial Machine Learning (2018), chapters 7 and 12.

What is fitted here is the choice of parameters. A round trip that is open across an edge belongs to both sides: the
steps of the train set that lie within the longest one of an edge to the test set are purged, and after a test set an
embargo follows, because what was learned just behind it still knows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import ceil, comb
from typing import Literal

from msgspec import Struct

from research.optimise.spans import Cuts

Scheme = Literal["anchored", "rolling", "purged", "combinatorial"]
SCHEMES: tuple[Scheme, ...] = ("anchored", "rolling", "purged", "combinatorial")
DESCRIBES: dict[Scheme, str] = {
    "anchored": "walk-forward, anchored: chosen on everything before, tested on the next block",
    "rolling": "walk-forward, rolling: chosen on the newest half of the blocks before, tested on the next",
    "purged": "purged k-fold: chosen on all other blocks, tested on the one left out",
    "combinatorial": "combinatorial purged cross-validation: half of the blocks chosen on, the other half tested",
}
MOST_COMBINATIONS = 1_000


class Fold(Struct, frozen=True, kw_only=True):
    """Blocks that are chosen on and blocks that are tested, and the steps of the train set that are left out."""

    train: tuple[int, ...]
    test: tuple[int, ...]
    purged: frozenset[int]


def folds_of(scheme: Scheme, cuts: Cuts, *, purge: int, embargo: float) -> list[Fold]:
    """The folds of a scheme. `purge` is in steps, `embargo` a share of the study's length."""
    after = ceil(embargo * cuts.blocks * cuts.block_steps)
    count = cuts.blocks
    sets: list[tuple[Sequence[int], tuple[int, ...]]]
    if scheme == "anchored":
        sets = [(range(test), (test,)) for test in range(max(1, count // 3), count)]
    elif scheme == "rolling":
        width = max(1, count // 2)
        sets = [(range(test - width, test), (test,)) for test in range(width, count)]
    elif scheme == "purged":
        sets = [([block for block in range(count) if block != test], (test,)) for test in range(count)]
    else:
        sets = [
            ([block for block in range(count) if block not in test], test)
            for test in combinations(range(count), count // 2)
        ]
        if comb(count, count // 2) > MOST_COMBINATIONS:
            sets = sets[:: ceil(len(sets) / MOST_COMBINATIONS)]
    return [
        Fold(train=tuple(train), test=tuple(test), purged=left_out(train, test, cuts, purge=purge, embargo=after))
        for train, test in sets
    ]


def left_out(train: Iterable[int], test: Iterable[int], cuts: Cuts, *, purge: int, embargo: int) -> frozenset[int]:
    """Steps of the train blocks that are too near to a test block: `purge` before it, purge and embargo after it."""
    steps = cuts.block_steps
    near: set[int] = set()
    for block in test:
        first, end = block * steps, (block + 1) * steps
        near.update(range(first - purge, first), range(end, end + purge + embargo))
    return frozenset(step for block in train for step in range(block * steps, (block + 1) * steps) if step in near)
