"""Points that fill the space evenly and know nothing of results: the part of a study that no luck has led.

Randomised Halton points (A. Owen, *A randomized Halton algorithm in R*, 2017): digit by digit permuted at random,
so that the n-th point depends on seed and n alone, whoever asks for it and whenever.
"""

from __future__ import annotations

import numpy as np

_DIGITS = 32
"""Bits of the fraction that are worth computing."""


def point(seed: int, index: int, dimensions: int) -> list[float]:
    """The `index`-th point of the unit cube."""
    return [_radical(seed, dimension, base, index) for dimension, base in enumerate(_primes(dimensions))]


def _radical(seed: int, dimension: int, base: int, index: int) -> float:
    """The permuted digits of `index`, mirrored behind the point; beyond its last digit zeros are permuted too."""
    generator = np.random.default_rng((seed, dimension))
    value, scale = 0.0, 1.0 / base
    while 1.0 - scale < 1.0 and scale > 2.0**-_DIGITS:
        index, digit = divmod(index, base)
        value += float(generator.permutation(base)[digit]) * scale
        scale /= base
    return min(value, 1.0 - 2.0**-_DIGITS)


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found
