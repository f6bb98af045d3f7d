"""Calculations in threads: in order, errors too, and results of a loop."""

from __future__ import annotations

import threading

import pytest

from counterpoise.core import threads
from counterpoise.core.threads import map_in_threads


@pytest.mark.parametrize("processors", [1, 3])
def test_results_are_in_the_order_of_the_items(monkeypatch, processors):
    monkeypatch.setattr(threads.os, "cpu_count", lambda: processors)
    second = threading.Event()

    def slow_first(n: int) -> int:
        if n == 0 and processors > 1:
            assert second.wait(10)  # the first item ends after the second
        if n == 1:
            second.set()
        return n * n

    assert map_in_threads(slow_first, range(5)) == [0, 1, 4, 9, 16]
    assert map_in_threads(slow_first, []) == []


@pytest.mark.parametrize("processors", [1, 3])
def test_the_first_error_in_the_order_of_the_items_is_raised(monkeypatch, processors):
    monkeypatch.setattr(threads.os, "cpu_count", lambda: processors)
    with pytest.raises(ZeroDivisionError):
        map_in_threads(lambda n: 1 // n if n < 2 else [][n], [1, 0, 2])
