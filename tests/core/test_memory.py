"""Peaks of resident memory."""

from __future__ import annotations

import threading
import time

import numpy as np

from counterpoise.core.memory import Peak, resident


def test_a_peak_sees_what_was_held_in_between():
    before = resident()
    with Peak() as peak:
        block = np.ones(60 * 2**17)  # 60 MiB
        time.sleep(0.1)
        del block
    assert peak.bytes > before + 40 * 2**20
    time.sleep(0.1)
    assert not any(thread.name == "memory" for thread in threading.enumerate())


def test_peaks_may_overlap():
    with Peak() as outer:
        with Peak() as inner:
            pass
        time.sleep(0.05)
    assert outer.bytes >= inner.bytes > 0
