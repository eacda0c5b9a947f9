"""The Kalman line equals the textbook's matrices, and finds a line that moves."""

import msgspec
import numpy as np
import pytest

from domain.codec import encode
from engine.indicators import KalmanLine
from engine.indicators.kalman import DIFFUSE


def line(count: int, seed: int = 1):
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.normal(0, 0.02, count))
    slope = np.where(np.arange(count) < count // 2, 0.5, 1.5)
    return x, 0.1 + slope * x + rng.normal(0, 0.001, count)


@pytest.mark.parametrize("delta", [1e-6, 1e-3, 0.2])
def test_it_is_the_textbooks_filter(delta):
    x, y = line(200)
    ours = KalmanLine(delta)
    theta, P, W = np.zeros(2), np.eye(2) * DIFFUSE, np.eye(2) * delta / (1 - delta)  # noqa: N806 - the textbook's names
    for a, b in zip(x, y, strict=True):
        F = np.array([a, 1.0])  # noqa: N806
        R = P + W  # noqa: N806
        error, Q = b - F @ theta, F @ R @ F + 1.0  # noqa: N806
        K = R @ F / Q  # noqa: N806
        theta, P = theta + K * error, R - np.outer(K, F) @ R  # noqa: N806
        assert ours.update(float(a), float(b)) == pytest.approx(error, rel=1e-6, abs=1e-12)
        assert ours.deviation == pytest.approx(np.sqrt(Q), rel=1e-6)
    assert (ours.slope, ours.level) == pytest.approx(tuple(theta), rel=1e-6)
    assert [ours.slope_slope, ours.slope_level, ours.level_level] == pytest.approx(
        [P[0, 0], P[0, 1], P[1, 1]], rel=1e-5
    )


def test_it_finds_a_line_and_follows_when_it_turns():
    x, y = line(2_000)
    kalman, slopes = KalmanLine(0.01), []
    for a, b in zip(x, y, strict=True):
        kalman.update(float(a), float(b))
        slopes.append(kalman.slope)
    assert slopes[999] == pytest.approx(0.5, abs=0.1)
    assert slopes[-1] == pytest.approx(1.5, abs=0.1)


def test_a_save_in_the_middle_changes_nothing():
    x, y = line(100)
    plain, saved = KalmanLine(1e-3), KalmanLine(1e-3)
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        plain.update(float(a), float(b))
        saved.update(float(a), float(b))
        if i == 50:
            saved = msgspec.msgpack.decode(encode(saved), type=KalmanLine)
    assert saved == plain
