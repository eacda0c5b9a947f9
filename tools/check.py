"""`./moondev check`: format, lint, types, imports, docs, locks, determinism, bill of materials and known holes.

    ./moondev check [--fix]     --fix formats and applies the safe lint fixes first

Every check runs, two at a time and whatever the others say; the exit code is 1 when any failed.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ["domain", "risk", "engine", "exchanges", "vault", "bot", "gateway", "research", "tools"]
PYTHON = sys.executable
LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"

# The types come first: they take longest.
CHECKS = {
    "types": [PYTHON, "-m", "mypy", "--no-error-summary", *ROOMS, "tests", "main.py", "wiring.py", "moondev"],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "lint": [PYTHON, "-m", "ruff", "check", "--output-format", "concise", "."],
    "imports": [PYTHON, "-c", LINT_IMPORTS, "--no-logo"],
    "docs": [PYTHON, "-m", "interrogate", "--quiet", *ROOMS, "main.py", "wiring.py"],
    "locks": [PYTHON, "-m", "tools.locks"],
    "determinism": [PYTHON, "-m", "tools.determinism"],
    "sbom": [PYTHON, "-m", "tools.sbom"],
    "audit": [PYTHON, "-m", "tools.audit"],
}
TOLD = {"audit"}
"""Say what they looked at even when they pass: who could ask nobody must not look like who did."""
FIXES = [[PYTHON, "-m", "ruff", "check", "--fix", "--quiet", "."], [PYTHON, "-m", "ruff", "format", "."]]


@dataclass(frozen=True)
class Result:
    """How one check ended."""

    name: str
    passed: bool
    seconds: float
    output: str


def run_check(name: str, command: Sequence[str]) -> Result:
    """Run one check in the repository, its output kept for the report."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return Result(name, done.returncode == 0, time.monotonic() - began, done.stdout)


def report(result: Result) -> None:
    """Print a check's line, and what it found when it failed."""
    verdict = "PASS" if result.passed else "FAIL"
    print(f"{verdict}  {result.name:<12} {result.seconds:5.1f} s", flush=True)
    if not result.passed or result.name in TOLD:
        print("\n".join(f"      {line}" for line in result.output.splitlines()), flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every check; 0 when all passed."""
    parser = argparse.ArgumentParser(prog="moondev check", description="Check format, lint, types, imports and docs.")
    parser.add_argument("--fix", action="store_true", help="format and apply the safe lint fixes first")
    parser.add_argument("only", nargs="*", metavar="CHECK", help=f"run only these ({', '.join(CHECKS)})")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.only if name not in CHECKS]
    if unknown:
        parser.error(f"no check is called {', '.join(unknown)}; there are {', '.join(CHECKS)}")
    if options.fix:
        for command in FIXES:
            subprocess.run(command, cwd=ROOT, check=False)
    began = time.monotonic()
    names = options.only or list(CHECKS)
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = [pool.submit(run_check, name, CHECKS[name]) for name in names]
        for done in as_completed(running):
            report(done.result())
    failed = [name for name, done in zip(names, running, strict=True) if not done.result().passed]
    verdict = f"failed: {', '.join(failed)}" if failed else "all passed"
    print(f"check: {verdict}, {time.monotonic() - began:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
