"""Shrunk covariance against the authors' own program, and correlation and beta against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from risk.covariance import beta, correlation, deviation, shrink


def observations(n: int, seed: int = 1) -> np.ndarray:
    """Returns of five assets with one factor, of different sizes."""
    rng = np.random.default_rng(seed)
    market = rng.standard_t(4, n) * 0.01
    return np.column_stack(
        [market * b + rng.normal(0, s, n) for b, s in ((1, 0.002), (1.3, 0.01), (0.8, 0.02), (0, 0.01), (-0.5, 0.005))]
    )


def cov_cor(x: np.ndarray) -> tuple[np.ndarray, float]:
    """`covCor.m` as Ledoit and Wolf published it, line by line."""
    t, n = x.shape
    x = x - x.mean(axis=0)
    sample = x.T @ x / t
    var = np.diag(sample)
    sd = np.sqrt(var)
    r_bar = ((sample / np.outer(sd, sd)).sum() - n) / (n * (n - 1))
    prior = r_bar * np.outer(sd, sd)
    np.fill_diagonal(prior, var)
    y = x**2
    phi_mat = y.T @ y / t - 2 * (x.T @ x) * sample / t + sample**2
    term1 = (x**3).T @ x / t
    term2 = var[:, None] * sample
    theta = term1 - term2 - term2 + term2
    np.fill_diagonal(theta, 0)
    rho = np.diag(phi_mat).sum() + r_bar * ((1 / sd)[:, None] * sd[None, :] * theta).sum()
    gamma = np.linalg.norm(sample - prior, "fro") ** 2
    shrinkage = max(0, min(1, (phi_mat.sum() - rho) / gamma / t))
    return shrinkage * prior + (1 - shrinkage) * sample, shrinkage


@pytest.mark.parametrize("n", [20, 100, 720])
def test_it_shrinks_as_the_authors_program_does(n: int) -> None:
    x = observations(n)
    wanted, intensity = cov_cor(x)
    found = shrink(x.T.tolist())
    assert found.n == n
    assert 0 < intensity < 1
    assert found.intensity == pytest.approx(intensity, rel=1e-9)
    np.testing.assert_allclose(found.covariance, wanted, rtol=1e-9)


def test_the_fewer_observations_the_more_it_shrinks() -> None:
    few, many = (shrink(observations(n).T.tolist()).intensity for n in (20, 720))
    assert few > 4 * many


def test_the_order_of_observations_changes_no_bit() -> None:
    x = observations(300)
    backwards = shrink(x[::-1].T.tolist())
    assert shrink(x.T.tolist()) == backwards


def test_correlations_are_between_minus_one_and_one_with_ones_on_the_diagonal() -> None:
    rows = shrink(observations(30).T.tolist()).correlation
    assert [rows[i][i] for i in range(5)] == [1.0] * 5
    assert all(-1 <= value <= 1 for row in rows for value in row)
    assert min(np.linalg.eigvalsh(rows)) > 0


def test_what_does_not_vary_has_no_covariance_and_disturbs_nobody() -> None:
    x = observations(100)
    with_flat = shrink([*x.T.tolist(), [0.0] * 100])
    assert with_flat.covariance[5] == [0.0] * 6
    assert [row[:5] for row in with_flat.covariance[:5]] == shrink(x.T.tolist()).covariance


def test_two_are_not_shrunk_and_none_is_no_error() -> None:
    x = observations(100)[:, :2]
    np.testing.assert_allclose(shrink(x.T.tolist()).covariance, np.cov(x.T, bias=True), rtol=1e-9)
    assert shrink([]).n == 0
    assert shrink([[], []]).covariance == [[0.0, 0.0], [0.0, 0.0]]


def test_correlation_beta_and_deviation_are_numpys() -> None:
    x = observations(250)
    a, b = x[:, 1].tolist(), x[:, 0].tolist()
    assert correlation(a, b) == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert beta(a, b) == pytest.approx(np.polyfit(b, a, 1)[0])
    assert deviation(a) == pytest.approx(np.std(a))
    assert correlation(a, [1.0] * 250) == beta(a, [1.0] * 250) == 0.0
