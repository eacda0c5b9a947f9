"""One case in this process, as JSON: `python -m research.bench NAME CACHE full|quick`. `moondev bench` runs these.

A backtest's process is measured as a whole, so it loads nothing of what the other cases need.
"""

import json
import sys
from pathlib import Path

from research.bench import backtests

if __name__ == "__main__":
    name, cache, size = sys.argv[1:]
    is_quick = size == "quick"
    if name in backtests.CASES:
        rows = backtests.run(name, backtests.QUICK if is_quick else backtests.CASES[name].most, Path(cache))
    else:
        from research.bench.run import measure

        rows = measure(name, Path(cache), quick=is_quick)
    sys.stdout.write(json.dumps(rows))
