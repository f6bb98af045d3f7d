"""Batches made several at a time are the batches made one by one."""

from __future__ import annotations

import pickle

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise import plans
from counterpoise.feed.batching import batches


@given(st.lists(st.integers(0, 11), min_size=1, max_size=40), st.booleans())
@settings(max_examples=30, deadline=None)
def test_batches_made_together_are_those_made_alone(steps, in_order):
    y = np.repeat([0, 1], [80, 13])
    x = {"a": np.arange(93.0)[:, None], "b": (np.arange(93), np.eye(93))}
    made = [batches(x, y, plans.oversample(y), 15, seed=3, extras={"id": np.arange(93)}) for _ in range(2)]
    made[1]._blocks = None  # each by itself
    assert made[0]._blocks is not None
    for k in range(24) if in_order else steps:
        one, two = (feed.batch(*divmod(k, 11)) for feed in made)
        for got, want in zip(tf.nest.flatten(vars(one)), tf.nest.flatten(vars(two)), strict=True):
            np.testing.assert_array_equal(got, want)
        one.x["a"][:] = -1  # belongs to whoever asked for it


def test_a_feed_can_be_sent_to_another_process():
    y = np.repeat([0, 1], [30, 3])
    feed = batches(np.arange(33.0)[:, None], y, plans.oversample(y), 8)
    copy = pickle.loads(pickle.dumps(feed))
    for k in range(feed.num_batches):
        np.testing.assert_array_equal(copy[k][0], feed[k][0])


def test_large_rows_are_taken_batch_by_batch():
    y = np.repeat([0, 1], [6, 2])
    assert batches(np.zeros((8, 300, 300), "float32"), y, batch_size=4)._blocks is None
