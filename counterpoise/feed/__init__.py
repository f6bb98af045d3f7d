"""From a plan to what a network is fed: batches, streams, mixtures, weights (`cp.feed`).

Names are loaded when they are first used: reading a table from disk needs no Keras, and importing it would take more
memory than the reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader

if TYPE_CHECKING:
    from counterpoise.feed.batching import batches as batches
    from counterpoise.feed.blocks import Batch as Batch
    from counterpoise.feed.disk import Scan as Scan
    from counterpoise.feed.disk import scan as scan
    from counterpoise.feed.disk_stream import Stream as Stream
    from counterpoise.feed.feed import Feed as Feed
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
    "Batch": "counterpoise.feed.blocks",
    "BatchSMOTE": "counterpoise.feed.mixing",
    "Feed": "counterpoise.feed.feed",
    "Mixup": "counterpoise.feed.mixing",
    "Rebalanced": "counterpoise.feed.streams",
    "Remix": "counterpoise.feed.mixing",
    "Scan": "counterpoise.feed.disk",
    "Stream": "counterpoise.feed.disk_stream",
    "WeightMap": "counterpoise.feed.weighting",
    "batches": "counterpoise.feed.batching",
    "imbalanced_rows": "counterpoise.feed.imbalance",
    "make_imbalanced": "counterpoise.feed.imbalance",
    "rebalance": "counterpoise.feed.streams",
    "resample_file": "counterpoise.feed.resampling",
    "scan": "counterpoise.feed.disk",
    "weight_map": "counterpoise.feed.weighting",
}

__all__ = [*_HOME]

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, _HOME)
