"""What a run is judged by: pure functions over its equity samples and round trips, each figure with how sure it is.

`measure(result, tries, seed)` has them all. Formulas are named with their papers where they are computed:

    figure       a value with its interval, n and caveat       sharpe       ratios, and what many tries leave of them
    curve        daily returns, growth, drawdowns              resample     stationary bootstrap, block length
    trips        round trips                                   paths        Monte-Carlo: drawdown and ruin
    attribution  where profit came from                        targets      the mission's, beside the honest figure
    costs        fees, funding, slippage, exposure             capacity     how much size until impact eats the edge
    benchmark    holding, and cash                             verdict      all of it in words
"""

from research.measures.figure import Figure
from research.measures.measure import DRAWS, Measures, measure, measure_record
from research.measures.record import Record, record_of

__all__ = ["DRAWS", "Figure", "Measures", "Record", "measure", "measure_record", "record_of"]
