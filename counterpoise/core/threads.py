"""Independent calculations with NumPy in a few threads, in order.

NumPy releases Python's lock while it computes, so that threads use several processors. What is computed must not
depend on other calculations; results are those of a loop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Most threads: more wait for Python's lock most of the time.
MOST = 4


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results of a function for some items, in their order; the first error in this order is raised.

    Example:
        >>> map_in_threads(lambda n: n * n, [1, 2, 3])
        [1, 4, 9]
    """
    given = list(items)
    count = min(MOST, os.cpu_count() or 1, len(given))
    if count < 2:
        return [function(item) for item in given]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, given))
