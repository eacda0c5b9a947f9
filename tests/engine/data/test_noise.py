"""Numbers by position."""

import numpy as np

from engine.data.noise import HALF, bits, fractal, hashed, key_of, lattice


def test_numbers_are_pinned_so_that_a_seed_means_the_same_everywhere():
    assert key_of(7, "market") == 17451673725067658250
    assert hashed(7, np.arange(3)).tolist() == PINNED


def test_a_number_depends_on_its_index_alone():
    whole = fractal((1, 2), 1000, range(1, 12), np.arange(5_000))
    assert fractal((1, 2), 1000, range(1, 12), np.arange(4_000, 4_010)).tolist() == whole[4_000:4_010].tolist()


def test_lattice_noise_is_bounded_and_moves_in_straight_lines():
    noise = lattice(3, np.arange(10_000), 6)
    assert noise.max() <= HALF
    assert noise.min() >= -HALF
    slopes = np.diff(noise[:65])
    assert slopes.max() - slopes.min() <= 1


def test_bits_are_even():
    values = bits(hashed(9, np.arange(100_000)), 8, 4)
    assert np.bincount(values).min() > 5_900


PINNED = [1346066267577507604, 7191089600892374487, 309689372594955804]
