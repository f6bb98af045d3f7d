"""How jobs are trained: decided once, by layers, shapes and steps."""

from __future__ import annotations

import dataclasses
import pickle

import keras
import pytest
from small_networks import EXACT, L, examples, net
from trainers import jobs_of

from counterpoise.core.job import Limits
from counterpoise.data.split import make_folds
from counterpoise.engines import program_rules
from counterpoise.engines.compile_modes import decide_compile_modes
from counterpoise.engines.program_engine import ProgramEngine
from counterpoise.losses import CrossEntropy
from counterpoise.networks.network import Network
from counterpoise.strategies.select import find


def test_the_learning_rate_is_that_of_the_optimizer_that_updates():
    inner = keras.optimizers.SGD(0.25)
    assert (
        program_rules.learning_rate_variable(inner).numpy()
        == program_rules.learning_rate_variable(keras.optimizers.LossScaleOptimizer(inner)).numpy()
        == 0.25
    )
    assert (
        program_rules.learning_rate_variable(
            keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.8))
        )
        is None
    )


def test_xla_is_earned_back_by_the_steps_of_each_thread_and_later_by_small_ones():
    large, small = (Network(net(lambda u=u: L.Dense(u)), examples()).fresh(0) for u in (4000, 8))
    one = Limits(steps=program_rules.XLA_STEPS, round_steps=10, patience=None, batch_size=256)
    assert program_rules.repays_xla(large, [one])
    assert not program_rules.repays_xla(small, [one])
    assert not program_rules.repays_xla(large, [one, dataclasses.replace(one, steps=10)])
    assert program_rules.repays_xla(large, [one] * 2)
    assert program_rules.repays_xla(small, [one] * 20)


def test_a_way_is_decided_once_by_all_jobs_and_goes_with_the_network(monkeypatch):
    data = examples()
    network, fold = Network("mlp", data), make_folds(data, 2)[0]
    jobs = [
        job for name in ("none", "oversample", "undersample", "focal") for job in jobs_of(find(name), data, fold, EXACT)
    ]
    monkeypatch.setattr(program_rules, "SMALL_XLA_STEPS", 1 + jobs[0].limits.steps)
    compile_modes = decide_compile_modes(jobs, network)
    assert sorted(mode.xla for mode in compile_modes.values()) == [False, True], (
        "three jobs of one loss earn XLA back, one does not"
    )
    later = pickle.loads(pickle.dumps(network))
    engine = ProgramEngine(data, later)
    engine.prepare(jobs[:1])
    assert {key: program.mode for key, program in engine.programs.items()} == {
        key: compile_modes[key] for key in engine.programs
    }
    assert [program.mode.xla for program in engine.programs.values()] == [True]


@pytest.mark.parametrize(
    ("change", "pad"),
    [
        (lambda h: h + 1.0, True),
        (lambda h: keras.ops.sigmoid(h), True),
        (lambda h: h - keras.ops.mean(h, axis=0, keepdims=True), False),
    ],
)
def test_short_batches_are_padded_only_if_operations_look_at_each_row_alone(change, pad):
    inner = keras.Sequential([net(lambda: change)(Network("mlp", examples()).raw_spec, 2)])
    model = Network(inner, examples(), output="logits").fresh(0)
    limits = Limits(steps=10, round_steps=5, patience=None, batch_size=32)
    assert program_rules.compile_mode(model, CrossEntropy(), [limits]).pad is pad
