"""From a plan to what a network is fed: batches, streams, mixtures, weights (`cp.feed`).

Importing this package imports Keras; TensorFlow is imported when a `tf.data.Dataset` is first made or read.
"""

from counterpoise.feed.batching import Batch as Batch
from counterpoise.feed.batching import Feed as Feed
from counterpoise.feed.batching import batches as batches
from counterpoise.feed.imbalance import imbalanced_rows as imbalanced_rows
from counterpoise.feed.imbalance import make_imbalanced as make_imbalanced
from counterpoise.feed.mixing import BatchSMOTE as BatchSMOTE
from counterpoise.feed.mixing import Mixup as Mixup
from counterpoise.feed.mixing import Remix as Remix
from counterpoise.feed.streams import Rebalanced as Rebalanced
from counterpoise.feed.streams import rebalance as rebalance
from counterpoise.feed.weighting import WeightMap as WeightMap
from counterpoise.feed.weighting import weight_map as weight_map
