"""The numbers behind "auto"."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from trainers import job_of

from counterpoise.core.errors import OptionError
from counterpoise.core.examples import Examples
from counterpoise.core.folds import Holdout
from counterpoise.networks.built_in import CNN, TABULAR
from counterpoise.networks.network import Network
from counterpoise.networks.recipe import PLAIN, Recipe
from counterpoise.pipeline.jobs import limits_of
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import find

Y = np.repeat([0, 1], [30, 10]).astype(np.int32)
EXAMPLES = Examples(np.zeros((40, 2), np.float32), Y, (0, 1))
AUTO = Settings(epochs="auto", batch_size="auto", recipe="auto")


def test_a_network_without_a_recipe_is_trained_as_ever():
    settings = AUTO.resolved_for({"": Network("mlp", EXAMPLES)}, 1000, passes=30)
    assert settings == Settings(epochs=30, batch_size=256)
    assert limits_of(1000, 1000, settings) == limits_of(1000, 1000, Settings(epochs=30, batch_size=256))


def test_tabular_brings_its_own_and_what_was_asked_for_counts():
    network = Network("tabular", EXAMPLES)
    own = AUTO.resolved_for({"": network}, 1000, passes=30)
    assert (own.recipe, own.batch_size, own.epochs) == (TABULAR, TABULAR.batch_size(1000), 30)
    asked = Settings(epochs=7, batch_size=99, recipe=PLAIN).resolved_for({"": network}, 1000, passes=30)
    assert (asked.epochs, asked.batch_size, asked.recipe) == (7, 99, PLAIN)
    some = Settings(epochs=7, batch_size="auto", recipe="auto").resolved_for({"": network}, 1000, passes=30)
    assert limits_of(640, 640, some).steps == 7 * 10  # a number of epochs is no floor of steps


def test_many_rows_take_fewer_passes_but_thirty_at_least():
    network = Network("mlp", EXAMPLES)
    passes = [AUTO.resolved_for({"": network}, rows, passes=100).epochs for rows in (1000, 38_400, 76_800, 1_000_000)]
    assert passes == [100, 100, 50, 30]  # 15,000 steps of 256 rows
    assert AUTO.resolved_for({"": network}, 1_000_000, passes=10).epochs == 10
    assert Settings(epochs=70, recipe="auto").resolved_for({"": network}, 1_000_000, passes=100).epochs == 70


def test_the_floor_is_reached_in_whole_rounds_by_every_strategy():
    settings = Settings(epochs="auto", batch_size="auto", recipe=Recipe(floor=100)).resolved_for(
        {"": Network("mlp", EXAMPLES)}, 1000, passes=3
    )
    for drawn in (10, 1000, 5000):
        limits = limits_of(drawn, 1000, settings)
        assert (limits.round_steps, limits.steps) == (4, 100)
    assert limits_of(7, 700, settings).steps == 102


@pytest.mark.parametrize(("positives", "margin"), [(4, 3.0), (29, 3.0), (30, 1.0), (90, 1.0)])
def test_a_margin_is_asked_for_while_few_stopping_rows_are_rare(positives, margin):
    y = np.repeat([0, 1, 0, 1], [60, 20, 100, positives]).astype(np.int32)
    rows, stop = np.arange(len(y)), np.arange(80, len(y))
    examples = Examples(rows[:, None].astype(float), y, (0, 1))
    settings = Settings(epochs=10, batch_size=32, recipe=TABULAR)
    fold = Holdout(rows[:80], stop)
    assert job_of(find("none"), examples, fold, settings).limits.margin == margin
    assert job_of(find("none"), examples, fold, replace(settings, recipe=PLAIN)).limits.margin == 0.0
    always = replace(settings, recipe=Recipe(margin=2.0))
    assert job_of(find("none"), examples, fold, always).limits.margin == 2.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"smoothing": 0},
        {"margin_until": -1},
        {"margin": -1.0},
        {"margin": "2"},
        {"stop_on": "f1"},
        {"average_weights": 0.5},
    ],
)
def test_numbers_out_of_range(wrong):
    with pytest.raises(OptionError, match=next(iter(wrong))):
        Recipe(**wrong)
    with pytest.raises(OptionError, match="recipe"):
        Settings(recipe=wrong)


def test_the_network_for_pictures_takes_all_its_steps_while_the_rate_falls():
    pictures = Examples(np.zeros((40, 8, 8, 1), np.uint8), Y, (0, 1))
    own = AUTO.resolved_for({"": Network("cnn", pictures)}, 6400, passes=100)
    assert (own.recipe, own.batch_size, own.epochs) == (CNN, 64, 30)
    limits = limits_of(6400, 6400, own)
    assert (limits.steps, limits.cosine, limits.patience) == (3000, True, None)
    assert (
        limits_of(640, 640, AUTO.resolved_for({"": Network("cnn", pictures)}, 640, passes=100)).steps
        == CNN.floor
        == 1000
    )
    few = Settings(epochs=2, batch_size="auto", recipe="auto").resolved_for(
        {"": Network("cnn", pictures)}, 640, passes=100
    )
    assert limits_of(640, 640, few).steps == 20, "what was asked for counts"


def test_a_schedule_of_the_optimizer_replaces_that_of_the_recipe():
    pictures = Examples(np.zeros((40, 8, 8, 1), np.uint8), Y, (0, 1))
    decay = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    network = Network("cnn", pictures, optimizer=keras.optimizers.SGD(decay))
    limits = limits_of(640, 640, AUTO.resolved_for({"": network}, 640, passes=100))
    assert (limits.cosine, limits.patience) == (False, 100)
    own = {"": Network("cnn", pictures)}
    for settings in (
        replace(AUTO, plateau=3).resolved_for(own, 640, passes=100),
        AUTO.resolved_for(own, 640, 100, rate_set=True),
    ):
        assert not limits_of(640, 640, settings).cosine
