"""One case in this process, as JSON: `python -m research.bench NAME CACHE full|quick`. `moondev bench` runs these."""

import json
import sys
from pathlib import Path

from research.bench.run import measure

if __name__ == "__main__":
    name, cache, size = sys.argv[1:]
    sys.stdout.write(json.dumps(measure(name, Path(cache), quick=size == "quick")))
