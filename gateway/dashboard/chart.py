"""The equity curve (ECharts, from NiceGUI's own files)."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from domain.views import EquityPoint
from gateway.dashboard.parts import panel
from gateway.gateway import Snapshot

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
    """Equity over all accounts: the recorded samples, and now."""

    def __init__(self) -> None:
        with panel("Equity · UTC", "area-chart"):
            self._chart = ui.echart(_options()).classes("chart")
        self._shown: list[list[float]] = []

    def update(self, snapshot: Snapshot, samples: list[EquityPoint]) -> None:
        """Draw the samples and the present equity; sends nothing when neither changed."""
        status = snapshot.status
        points = [[point.ts_ns // MS, round(float(point.equity), 2)] for point in samples]
        if status.ts_ns and (not samples or status.ts_ns > samples[-1].ts_ns):
            points.append([status.ts_ns // MS, round(float(status.equity), 2)])
        if points != self._shown:
            self._shown = points
            self._chart.run_chart_method("setOption", {"series": [{"data": points}]})
