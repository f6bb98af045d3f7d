"""From a plan to what a network is fed: batches, streams, mixtures, weights (`cp.feed`).

These are for a `fit` of your own; `cp.fit` draws the batches of its jobs itself (`engines.batch_order`). Functions that
make no batch are here because they prepare the data of such a `fit`: `make_imbalanced` and `resample_file`.

Names are loaded when they are first used: reading a table from disk needs no Keras, and importing it would take more
memory than the reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.core.lazy import loader as _loader

if TYPE_CHECKING:
    from counterpoise.feed.cropping import crops as crops
    from counterpoise.feed.imbalance import make_imbalanced as make_imbalanced
    from counterpoise.feed.mixing import BatchSMOTE as BatchSMOTE
    from counterpoise.feed.mixing import Mixup as Mixup
    from counterpoise.feed.mixing import Remix as Remix
    from counterpoise.feed.resampling import resample_file as resample_file

#: Public name -> module that holds it.
_HOME = {
    "BatchSMOTE": "counterpoise.feed.mixing",
    "Mixup": "counterpoise.feed.mixing",
    "Remix": "counterpoise.feed.mixing",
    "crops": "counterpoise.feed.cropping",
    "make_imbalanced": "counterpoise.feed.imbalance",
    "resample_file": "counterpoise.feed.resampling",
}

__all__ = [*_HOME]

if not TYPE_CHECKING:  # a checker would believe in any name
    __getattr__, __dir__ = _loader(__name__, _HOME)
