"""Threads for what people ask to read: databases, logs, reports.

They are apart from the loop's own threads, which resolve the names of venues and chat servers: however many questions
hang, a cancel finds its way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")

AT_ONCE = 4
POOL = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="reading")


async def reading(work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """What `work` returns or raises, from one of these threads; waits while all of them are busy."""
    return await asyncio.get_running_loop().run_in_executor(POOL, partial(work, *args, **options))
