"""Indicators over bars and books: finite-window, or recursive with carried state and a declared seed.

Each is a small msgspec struct, so a strategy's memory that holds it can be saved, and going on from what was
saved gives bit for bit the values of never having stopped. `update` costs the same for every event, whatever
the window (amortised; `KernelRegression` alone costs its window). Values are NaN until `ready`; comparisons with
NaN are false. Feed finite numbers only.

    averages     Sma, Ema
    channel      RollingExtreme, Donchian
    momentum     Rsi, StochasticRsi
    kernel       KernelRegression: one-sided Nadaraya-Watson, it never repaints
    regression   RollingRegression: least squares and correlation of two series
    regime       VarianceRatio, Adx: does a market trend or come back
    volatility   true_range, Atr, RollingStd, EwmaVolatility
    cointegration Cointegration: the Engle-Granger test over a window
    kalman       KalmanLine: a line whose slope and level wander
    intensity    Intensity: how often and how deep market orders come
    toxicity     Vpin, Markout: whether the flow knows more than who quotes
    session      in_session, weekend_near: exchange hours in a real time zone
"""

from engine.indicators.averages import Ema, Sma
from engine.indicators.channel import Donchian, RollingExtreme
from engine.indicators.cointegration import Cointegration, EngleGranger, critical_value
from engine.indicators.intensity import Fit, Intensity
from engine.indicators.kalman import KalmanLine
from engine.indicators.kernel import KernelRegression
from engine.indicators.momentum import Rsi, StochasticRsi
from engine.indicators.regime import Adx, VarianceRatio
from engine.indicators.regression import RollingRegression
from engine.indicators.session import SessionHours, in_session, weekend_near
from engine.indicators.toxicity import Markout, Vpin
from engine.indicators.volatility import Atr, EwmaVolatility, RollingStd, true_range

__all__ = [
    "Adx",
    "Atr",
    "Cointegration",
    "Donchian",
    "Ema",
    "EngleGranger",
    "EwmaVolatility",
    "Fit",
    "Intensity",
    "KalmanLine",
    "KernelRegression",
    "Markout",
    "RollingExtreme",
    "RollingRegression",
    "RollingStd",
    "Rsi",
    "SessionHours",
    "Sma",
    "StochasticRsi",
    "VarianceRatio",
    "Vpin",
    "critical_value",
    "in_session",
    "true_range",
    "weekend_near",
]
