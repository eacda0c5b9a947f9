"""Random numbers by position: the value at an index depends on the seed and the index, on nothing before it.

Whole arrays of integers at once, the same on every machine. `hashed` is white noise (SplitMix64 of a
counter); `fractal` sums linearly interpolated lattices of doubling periods into something that moves
like a price: steps at every scale, trends and reversals, bounded over the years.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]

HALF = 1 << 19
"""`lattice` runs from -HALF to HALF."""


def key_of(seed: int, name: str) -> int:
    """A 64-bit key for one named stream of numbers under a seed."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "little")


def hashed(key: int, index: Ints | Words) -> Words:
    """One 64-bit word for every index."""
    word = index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Words = word ^ (word >> np.uint64(31))
    return mixed


def bits(words: Words, shift: int, count: int) -> Ints:
    """`count` bits of every word, from bit `shift` on, as integers."""
    picked: Ints = ((words >> np.uint64(shift)) & np.uint64((1 << count) - 1)).astype(np.int64)
    return picked


def interpolate(points: Ints, first: int, steps: Ints, power: int) -> Ints:
    """Values at `steps` on straight lines between lattice points 2**power steps apart; `points[0]` is at `first`."""
    cell = (steps >> power) - first
    inside = steps & ((1 << power) - 1)
    line: Ints = (points[cell] * ((1 << power) - inside) + points[cell + 1] * inside) >> power
    return line


def lattice(key: int, steps: Ints, power: int) -> Ints:
    """Smooth noise in -HALF..HALF with period 2**power over increasing `steps`."""
    first, last = int(steps[0]) >> power, int(steps[-1]) >> power
    points = bits(hashed(key, np.arange(first, last + 2)), 20, 20) - HALF
    return interpolate(points, first, steps, power)


def fractal(keys: Sequence[int], amplitude: int, powers: Sequence[int], steps: Ints) -> Ints:
    """Brownian-like noise: octave p of `powers` has the height amplitude * 2**(p/2) and the key keys[p % len(keys)]."""
    total = np.zeros(len(steps), np.int64)
    for power in powers:
        height = round(amplitude * 2 ** (power / 2))
        total += (lattice(keys[power % len(keys)] + power, steps, power) * height) >> 19
    return total
