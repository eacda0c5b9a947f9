"""What a test needs besides Python: components of the machine, and recorded market data.

A missing component is a skip that says how to get it, and with CI=true a failure: there it has to be proved.
Missing recorded data is a skip everywhere, because the data is not part of the repository.
"""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def require(present: bool, reason: str) -> None:
    """Skip the test when a component is missing; fail it instead where CI=true."""
    if present:
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{reason} (with CI=true a missing component is a failure)", pytrace=False)
    pytest.skip(reason)


def chromium() -> str:
    """Find the system's Chromium, which playwright drives; no test downloads one."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    require(present=False, reason="no Chromium on this machine: `apt install chromium`")
    raise AssertionError  # require() does not return


def recorded_data(*parts: str) -> Path:
    """Find recorded market data under MOONDEV_DATA_DIR (default ../shared/data beside the checkout)."""
    folder = Path(os.environ.get("MOONDEV_DATA_DIR", ROOT.parent / "shared" / "data"))
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no recorded data at {path}: set MOONDEV_DATA_DIR to a folder that has it")
    return path
