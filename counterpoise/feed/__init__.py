"""From a plan to what a network is fed: batches, streams, mixtures, weights (`cp.feed`).

Names are loaded when they are first used: reading a table from disk needs no Keras, and importing it would take more
memory than the reading.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoise.feed.batching import Batch as Batch
    from counterpoise.feed.batching import Feed as Feed
    from counterpoise.feed.batching import batches as batches
    from counterpoise.feed.disk import Scan as Scan
    from counterpoise.feed.disk import scan as scan
    from counterpoise.feed.disk_stream import Stream as Stream
    from counterpoise.feed.imbalance import imbalanced_rows as imbalanced_rows
    from counterpoise.feed.imbalance import make_imbalanced as make_imbalanced
    from counterpoise.feed.mixing import BatchSMOTE as BatchSMOTE
    from counterpoise.feed.mixing import Mixup as Mixup
    from counterpoise.feed.mixing import Remix as Remix
    from counterpoise.feed.resampling import resample_file as resample_file
    from counterpoise.feed.streams import Rebalanced as Rebalanced
    from counterpoise.feed.streams import rebalance as rebalance
    from counterpoise.feed.weighting import WeightMap as WeightMap
    from counterpoise.feed.weighting import weight_map as weight_map

#: Public name -> module that holds it.
_HOME = {
    "Batch": "batching",
    "BatchSMOTE": "mixing",
    "Feed": "batching",
    "Mixup": "mixing",
    "Rebalanced": "streams",
    "Remix": "mixing",
    "Scan": "disk",
    "Stream": "disk_stream",
    "WeightMap": "weighting",
    "batches": "batching",
    "imbalanced_rows": "imbalance",
    "make_imbalanced": "imbalance",
    "rebalance": "streams",
    "resample_file": "resampling",
    "scan": "disk",
    "weight_map": "weighting",
}

__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'counterpoise.feed' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"counterpoise.feed.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
