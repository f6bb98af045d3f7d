"""The store of a comparison: members bit for bit, one writer, refusals that name the difference, and going on."""

from __future__ import annotations

import dataclasses
import os
import sqlite3

import keras
import numpy as np
import pytest
from command_line import check_refusal, run_command
from trainers import trainer_of

import counterpoise as cp
from counterpoise.comparison import compare as compare_module
from counterpoise.comparison.manifest import _data_entries, _learned_before, manifest_differences, manifest_of
from counterpoise.comparison.store import SMALL_WEIGHTS, Store
from counterpoise.comparison.store_file import FILE
from counterpoise.core.errors import ArtifactError
from counterpoise.core.job import Member
from counterpoise.engines.run import run
from counterpoise.networks.network import Network
from counterpoise.pipeline.reading import read_for
from counterpoise.pipeline.settings import Settings

RNG = np.random.default_rng(0)
Y = (RNG.random(200) < 0.25).astype(int)
X = RNG.normal(size=(200, 3)) + Y[:, None]
QUICK = {"folds": 2, "epochs": 2, "verbose": 0}


def member(job="a", size=3):
    weights = (RNG.normal(size=(2, size)).astype("float32"), np.array([7, 0], "uint32"), np.float32(0.5)[()])
    return Member(
        job, tuple(np.asarray(w) for w in weights), RNG.normal(size=(4, 1)).astype("float32"),
        np.empty((0, 1), "float32"), np.array([0.1, -0.1]), 5, 7, 64, 0.25,
        {"loss": [0.5, float("nan")], "step": [np.float64(1)]}, engine="program", gamma=2.0,
    )  # fmt: skip


def assert_same(a: Member, b: Member) -> None:
    for field in dataclasses.fields(Member):
        ours, theirs = getattr(a, field.name), getattr(b, field.name)
        for one, other in zip(*((v if isinstance(v, tuple) else (v,)) for v in (ours, theirs)), strict=True):
            if isinstance(one, np.ndarray):
                assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
            else:
                assert repr(one) == repr(other).replace("np.float64(1.0)", "1.0"), field.name


def test_a_member_comes_back_bit_for_bit_in_another_opening(tmp_path):
    first = member()
    with Store.writing(tmp_path) as store:
        store.put(first)
    with Store.reading(tmp_path) as store:
        assert_same(store.get("a"), first)
        assert store.get("b") is None
        assert store.stored_jobs(["a", "b"]) == {"a"}


def test_large_weights_are_kept_only_where_they_are_needed(tmp_path):
    with Store.writing(tmp_path) as store:
        store.put(member("large", size=SMALL_WEIGHTS), weights=False)
        store.put(member("small"), weights=False)
        store.put(member("needed", size=SMALL_WEIGHTS), weights=True)
        assert store.get("large", weights=True) is None
        assert store.get("large", weights=False).weights == ()
        assert len(store.get("small", weights=True).weights) == len(store.get("needed").weights) == 3


def test_one_writes_and_others_may_read(tmp_path):
    with Store.writing(tmp_path) as store:
        store.put(member())
        refusal = pytest.raises(ArtifactError, match=rf"Process {os.getpid()} on .*Wait until it finishes")
        with refusal, Store.writing(tmp_path):
            pass
        with Store.reading(tmp_path) as reader:
            assert reader.stored_jobs(["a"]) == {"a"}
    with Store.writing(tmp_path) as store:
        assert store.stored_jobs(["a"]) == {"a"}
    with Store.writing(tmp_path, restart=True) as store:
        assert store.stored_jobs(["a"]) == set()


def test_places_that_hold_no_run_or_a_damaged_one(tmp_path):
    with pytest.raises(ArtifactError, match="contains no run"), Store.reading(tmp_path):
        pass
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough to be one" * 40)
    with pytest.raises(ArtifactError, match=r"damaged.*--restart"), Store.writing(tmp_path):
        pass
    with pytest.raises(ArtifactError, match="damaged"), Store.reading(tmp_path):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="Cannot write"), Store.writing(tmp_path / "file"):
        pass


def test_an_error_inside_is_not_taken_for_one_of_the_store(tmp_path):
    with pytest.raises(FileNotFoundError), Store.writing(tmp_path):
        (tmp_path / "nowhere").read_text()


def two_layers(width=8):
    def build(spec, n_classes):
        inputs = spec.inputs()
        return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(width, "relu")(inputs)))

    return build


def manifest(x=X, y=Y, model="mlp", folds=2, duplicates="warn", optimizer=None, **settings):
    examples = read_for("mlp", x, y)
    trainer = trainer_of(examples, Settings(**settings), Network(model, examples, optimizer=optimizer))
    return manifest_of(examples, trainer, folds, duplicates)


def test_equal_runs_have_equal_manifests_and_every_difference_is_named():
    before = manifest()
    assert manifest_differences(before, manifest(X.copy(), Y.copy())) == []
    assert {"scikit-learn", "lightgbm"} <= set(before), "the versions of packages that split and fit trees"

    def compiled(spec, n_classes):
        model = two_layers()(spec, n_classes)
        model.compile("adam", "binary_crossentropy", metrics=[keras.metrics.AUC()])
        return model

    assert manifest_differences(manifest(model=compiled), manifest(model=compiled)) == [], "Keras counts names up"
    changed = X.copy()
    changed[3, 1] += 0.5
    assert manifest_differences(before, manifest(changed)) == ["values of column 'x1' changed"]
    flipped = np.where(np.arange(200) == 0, 1 - Y, Y)
    assert manifest_differences(before, manifest(y=flipped)) == ["values of the labels changed"]
    assert manifest_differences(before, manifest(seed=4, folds=3)) == ["seed was 0 and is 4", "folds was 2 and is 3"]
    assert manifest_differences(before, manifest(X[:199], Y[:199]))[0] == "rows was 200 and is 199"
    assert manifest_differences(before, manifest(X[:, :2])) == [
        "values of column 'x2' are gone", *manifest_differences(before, manifest(X[:, :2]))[1:]
    ]  # fmt: skip
    assert "optimizer was Adam" in manifest_differences(before, manifest(optimizer="sgd"))[0]
    decayed, partly = keras.optimizers.AdamW(weight_decay=0.1), keras.optimizers.AdamW(weight_decay=0.1)
    partly.exclude_from_weight_decay(var_names=["bias"])
    assert "without decay of bias" in manifest_differences(manifest(optimizer=decayed), manifest(optimizer=partly))[0]
    assert manifest_differences({**before, "version": "0.0"}, before) == [f"version was 0.0 and is {before['version']}"]


class Scaled(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x


def weighted_loss(factor):
    def loss(y, p):
        return keras.losses.binary_crossentropy(y, p) * (1.0 + factor * y[:, 0])

    return loss


def test_a_network_is_known_by_its_layers_and_by_the_weights_it_starts_from():
    narrow, wide = manifest(model=two_layers(8)), manifest(model=two_layers(9))
    assert manifest_differences(narrow, manifest(model=two_layers(8))) == []
    assert "values of the network" in manifest_differences(narrow, wide)[0]
    given = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    first = manifest(model=given)
    assert manifest_differences(first, manifest(model=given)) == []
    given.layers[0].bias.assign([0.5])
    assert "values of the network" in manifest_differences(first, manifest(model=given))[0]


def test_a_network_is_known_by_its_loss_and_by_the_code_of_its_layers(monkeypatch):
    def compiled(loss):
        model = keras.Sequential([keras.Input((3,)), Scaled(), keras.layers.Dense(1, activation="sigmoid")])
        model.compile("adam", loss)
        model.set_weights([np.ones(w.shape) for w in model.weights])
        return manifest(model=model)

    before = compiled(weighted_loss(2.0))
    assert manifest_differences(before, compiled(weighted_loss(2.0))) == []
    changed = ["values of the loss (its settings or its code) changed"]
    assert manifest_differences(before, compiled(weighted_loss(3.0))) == changed
    assert manifest_differences(before, compiled(keras.losses.BinaryFocalCrossentropy())) == changed
    monkeypatch.setattr(Scaled, "call", lambda self, x: 3.0 * x)
    changed = ["values of the network (code of its own layers) changed"]
    assert manifest_differences(before, compiled(weighted_loss(2.0))) == changed


class Built(keras.layers.Layer):
    """Keras puts a wrapper around `build`, which keeps the layer and its counted name."""

    def build(self, shape):
        self.w = self.add_weight(shape=(shape[-1], 1))

    def call(self, x):
        return x @ self.w


def test_a_network_with_a_layer_of_the_user_is_the_same_however_many_were_made():
    def build(spec, classes):
        return keras.Sequential([spec.inputs(), Built(), keras.layers.Dense(1)])

    before = manifest(model=build)
    assert manifest_differences(before, manifest(model=build)) == []


@keras.saving.register_keras_serializable(package="tests")
class Squares(keras.regularizers.Regularizer):
    def __call__(self, w):
        return keras.ops.sum(w * w)

    def get_config(self):
        return {}


@keras.saving.register_keras_serializable(package="tests")
def bent(z):
    return keras.ops.tanh(z)


class Steep(keras.optimizers.SGD):
    def update_step(self, gradient, variable, rate):
        return super().update_step(2 * gradient, variable, rate)


def test_a_network_is_known_by_all_code_that_it_calls(monkeypatch):
    def dense(optimizer="adam"):
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, bent, kernel_regularizer=Squares()), keras.layers.Dense(1)]
        )
        model.set_weights([np.ones(w.shape) for w in model.weights])
        return manifest(model=model, optimizer=optimizer)

    before, steep = dense(), dense(Steep())
    assert manifest_differences(before, dense()) == manifest_differences(steep, dense(Steep())) == []
    with monkeypatch.context() as patch:
        patch.setattr(Steep, "update_step", lambda self, *given: None)
        assert manifest_differences(steep, dense(Steep())) == ["values of the optimizer (its code) changed"]
    changed = ["values of the network (code of its own layers) changed"]
    with monkeypatch.context() as patch:
        patch.setattr(Squares, "__call__", lambda self, w: 0.0)
        assert manifest_differences(before, dense()) == changed
    monkeypatch.setattr(bent, "__code__", (lambda z: keras.ops.sin(z)).__code__)
    assert manifest_differences(before, dense()) == changed


def test_a_network_is_known_by_its_vocabulary_and_by_what_is_frozen():
    def words(*texts):
        lookup = keras.layers.StringLookup(output_mode="multi_hot")
        lookup.adapt(np.array(texts))
        inputs = keras.Input((1,), dtype="string")
        return [part.tolist() for part in _learned_before(keras.Model(inputs, keras.layers.Dense(1)(lookup(inputs))))]

    assert (words("a", "a", "b"), words("b", "b", "a")) == ([["[UNK]", "a", "b"]], [["[UNK]", "b", "a"]])
    given = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    first = manifest(model=given)
    given.layers[0].bias.trainable = False
    changed = ["values of the network (its layers or its initial weights) changed"]
    assert manifest_differences(first, manifest(model=given)) == changed


def counted(limit=10**6):
    """The executor of this process, which notes what it trained and is interrupted after `limit` fits."""
    seen = []

    def executor(*given, **how):
        for job_id, trained in run(*given, **how):
            if len(seen) == limit:
                raise KeyboardInterrupt
            seen.append(job_id)
            yield job_id, trained

    return seen, executor


def scores(comparison):
    return [(c.strategy, c.repeat, c.fold, c.proba.tobytes(), c.decision.tobytes()) for c in comparison.fold_results]


@pytest.fixture(scope="module", name="whole")
def _whole():
    return cp.compare("mlp", X, Y, strategies="none,oversample,crt", **QUICK)


def test_an_interrupted_comparison_goes_on_and_ends_with_the_same_scores(whole, tmp_path):
    how = {"strategies": "none,oversample,crt", "store": tmp_path / "run", **QUICK}
    seen, executor = counted(limit=1)
    with pytest.raises(KeyboardInterrupt):
        cp.compare("mlp", X, Y, executor=executor, **how)
    more, executor = counted()
    comparison = cp.compare("mlp", X, Y, executor=executor, **how)
    assert len(seen) == 1
    assert len(more) == 4, "three fits were left, and the winner is trained on all rows"
    assert not set(seen) & set(more)
    assert scores(comparison) == scores(whole)
    assert np.array_equal(comparison.best.predict_proba(X), whole.best.predict_proba(X))
    none, executor = counted()
    again = cp.compare("mlp", X, Y, executor=executor, **how)
    assert none == []
    assert again.record == comparison.record
    with Store.reading(tmp_path / "run") as store:
        assert store.record["rows"] == comparison.record["rows"]
        assert set(store.record["curves"]) == set(comparison.curves)


def test_more_strategies_and_repeats_train_only_what_is_new(tmp_path):
    first, executor = counted()
    cp.compare("mlp", X, Y, strategies="none", store=tmp_path, executor=executor, refit=False, **QUICK)
    more, executor = counted()
    cp.compare(
        "mlp", X, Y, strategies="none,undersample", repeats=2, store=tmp_path, executor=executor, refit=False, **QUICK
    )
    assert len(first) == 2
    assert len(more) == 6
    assert not set(first) & set(more)
    with pytest.raises(ArtifactError, match=r"another run: epochs was 2 and is 3\. Use another folder"):
        cp.compare("mlp", X, Y, strategies="none", store=tmp_path, **{**QUICK, "epochs": 3})


def test_every_fit_is_on_disk_before_it_counts(tmp_path):
    def executor(*given, **how):
        known = []
        for job_id, trained in run(*given, **how):
            with sqlite3.connect(tmp_path / FILE) as reader:
                assert {row[0] for row in reader.execute("SELECT job FROM members")} == set(known)
            known.append(job_id)
            yield job_id, trained

    cp.compare("mlp", X, Y, strategies="none", store=tmp_path, executor=executor, refit=False, **QUICK)


def test_the_command_says_what_is_kept_how_to_go_on_and_what_was_done(tmp_path, monkeypatch):
    table, out = tmp_path / "t a.csv", tmp_path / "run"
    np.savetxt(table, np.column_stack([X, Y]), delimiter=",", header="a,b,c,y", comments="", fmt="%.4f,%.4f,%.4f,%d")
    command = [
        "compare",
        table,
        "--target",
        "y",
        "--folds",
        2,
        "--epochs",
        2,
        "--strategies",
        "none",
        "--model",
        "mlp",
        "--out",
        out,
    ]
    with monkeypatch.context() as patched:
        patched.setattr(compare_module, "run", counted(limit=1)[1])
        stopped = run_command(*command)
    assert stopped.code == 130
    assert "1 of 2 fits are saved. To resume: counterpoise compare" in stopped.err
    assert f"'{table}'" in stopped.err, "a path with a blank is quoted"
    done = run_command(*command)
    assert done.code == 0
    assert done.err.startswith("resuming: 1 of 2 fits are done\n")
    check_refusal(run_command(*command, "--seed", 1), "contains another run", "seed was 0 and is 1")
    assert run_command(*command, "--seed", 1, "--restart").code == 0


def test_images_that_come_with_columns_count():
    examples = read_for("mlp", X, Y)
    before, after = (
        _data_entries(dataclasses.replace(examples, x={**examples.x, "image": np.full((len(Y), 2, 2, 1), value)}))
        for value in (1.0, 2.0)
    )
    assert manifest_differences(before, after) == ["values of input 'image' changed"]
