"""The equity curve (ECharts, from NiceGUI's own files)."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

from nicegui import ui

from domain.views import EquityPoint
from gateway.dashboard.parts import panel

LINE = "#4f8ff7"
GREY = "#6b7489"
RULE = "#1c222e"
MS = 1_000_000


def _options() -> dict[str, Any]:
    axis = {
        "axisLine": {"lineStyle": {"color": RULE}},
        "axisLabel": {"color": GREY, "fontSize": 11, "hideOverlap": True},
    }
    return {
        "useUTC": True,
        "animation": False,
        "grid": {"left": 12, "right": 16, "top": 16, "bottom": 8, "containLabel": True},
        "tooltip": {
            "trigger": "axis",
            "backgroundColor": "#171c27",
            "borderColor": "#2a3140",
            "textStyle": {"color": "#d7dce5", "fontSize": 12},
            "axisPointer": {"lineStyle": {"color": GREY}},
        },
        "xAxis": {"type": "time", "splitLine": {"show": False}, "axisTick": {"show": False}, "splitNumber": 4, **axis},
        "yAxis": {"type": "value", "scale": True, "splitLine": {"lineStyle": {"color": RULE}}, **axis},
        "series": [
            {
                "name": "Equity",
                "type": "line",
                "showSymbol": False,
                "lineStyle": {"width": 1.5, "color": LINE},
                "itemStyle": {"color": LINE},
                "areaStyle": {
                    "origin": "start",
                    "color": {
                        "type": "linear",
                        "x": 0,
                        "y": 0,
                        "x2": 0,
                        "y2": 1,
                        "colorStops": [
                            {"offset": 0, "color": "rgba(79,143,247,.28)"},
                            {"offset": 1, "color": "rgba(79,143,247,0)"},
                        ],
                    },
                },
                "data": [],
            }
        ],
    }


class EquityChart:
    """Equity over all accounts: the recorded samples, and what was read since."""

    def __init__(self) -> None:
        with panel("Equity · UTC", "area-chart"):
            self._chart = ui.echart(_options()).classes("chart")
        self._shown: list[list[float]] = []

    def update(self, points: list[EquityPoint]) -> None:
        """Draw the curve; sends nothing when it is as before."""
        data = [[point.ts_ns // MS, round(float(point.equity), 2)] for point in points]
        if data == self._shown:
            return
        self._shown = data
        values = [value for _, value in data]
        low, high = min(values), max(values)
        # left to itself, the chart gives a flat line an axis from 40 to 160 % of it
        flat = {"min": floor(low) - 1, "max": ceil(high) + 1} if high - low < 1 else {"min": None, "max": None}
        self._chart.run_chart_method("setOption", {"yAxis": flat, "series": [{"data": data}]})
