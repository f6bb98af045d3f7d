"""A second training of small sets, stopping rows included."""

from dataclasses import replace

import numpy as np
import pytest
from trainers import cross_validate, trainer_of

from counterpoise.core.examples import Examples
from counterpoise.data.split import make_folds
from counterpoise.networks.network import Network
from counterpoise.networks.recipe import Recipe
from counterpoise.pipeline.jobs import jobs_by_fold
from counterpoise.pipeline.refit_with_stopping_rows import refit_with_stopping_rows
from counterpoise.pipeline.settings import Settings
from counterpoise.strategies.select import find

RNG = np.random.default_rng(5)
Y = np.repeat([0, 1], [60, 20]).astype(np.int32)
EXAMPLES = Examples((RNG.normal(size=(80, 2)) + Y[:, None]).astype(np.float32), Y, (0, 1))
STRATEGIES = [find("none"), find("oversample")]
SETTINGS = Settings(epochs=3, batch_size=16, recipe=Recipe(refit_rows=100))


@pytest.fixture(scope="module")
def network():
    return Network("mlp", EXAMPLES)


def test_the_second_training_has_the_steps_of_the_best_round_and_every_row_but_the_test_rows(network):
    folds = make_folds(EXAMPLES, 2, 1, 0, "warn")
    versions = {(s.name, f): s for s in STRATEGIES for f in range(2)}
    trainer = trainer_of(EXAMPLES, SETTINGS, network)
    jobs, _ = jobs_by_fold(STRATEGIES, trainer, folds)
    first = trainer.train([job for group in jobs.values() for job in group])
    again, members = refit_with_stopping_rows(jobs, first, versions, trainer, folds)
    for key, (job,) in again.items():
        (before,) = jobs[key]
        assert set(job.train) == set(range(80)) - set(folds[key[1]].test)
        assert (len(job.stop), job.limits.steps) == (0, first[before.id].best_step)
        assert members[job.id].steps == first[before.id].steps + job.limits.steps
        assert members[job.id].history == first[before.id].history
        alone = trainer.train([job])[job.id]
        np.testing.assert_array_equal(members[job.id].logits, alone.logits)


@pytest.mark.parametrize("less", [{"recipe": Recipe(refit_rows=31)}, {"most_steps": 9}, {"early_stopping": False}])
def test_large_folds_limited_trainings_and_fixed_numbers_of_epochs_are_trained_once(network, less):
    settings = replace(SETTINGS, **less)
    outcome = cross_validate(EXAMPLES, STRATEGIES, network, settings, folds=2)
    plain = cross_validate(EXAMPLES, STRATEGIES, network, replace(settings, recipe=Recipe()), folds=2)
    for ours, theirs in zip(outcome.fold_results, plain.fold_results, strict=True):
        assert ours.steps == theirs.steps
        np.testing.assert_array_equal(ours.proba, theirs.proba)
