"""What a run is judged by: pure functions over its equity samples and round trips, each figure with how sure it is.

`measure(result, tries, seed)` has them all. Formulas are named with their papers where they are computed:

    figure       a value with its interval, n and caveat       sharpe       ratios, and what many tries leave of them
    curve        daily returns, growth, drawdowns              resample     stationary bootstrap, block length
    trips        round trips                                   paths        Monte-Carlo: drawdown and ruin
    attribution  where profit came from                        targets      the mission's, beside the honest figure
"""

from research.measures.figure import Figure
from research.measures.measure import DRAWS, Measures, Record, measure, measure_record

__all__ = ["DRAWS", "Figure", "Measures", "Record", "measure", "measure_record"]
