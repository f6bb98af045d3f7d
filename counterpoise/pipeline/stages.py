"""Training in stages: models that are trained one after the other wait for those before them.

A stage has the jobs of all strategies and folds that can be made by then, so that folds and strategies are trained in
parallel. Without such models there is one stage. `trained_members` completes what is done after training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from counterpoise.core.errors import error_text
from counterpoise.core.job import Job, Member
from counterpoise.engines.finishing import apply_finish
from counterpoise.networks.member_outputs import score_members
from counterpoise.networks.network import Network
from counterpoise.pipeline.jobs import FoldKey
from counterpoise.pipeline.trainer import Trainer
from counterpoise.strategies.strategy import Strategy
from counterpoise.strategies.successive import check_trained


def train_in_stages(
    jobs: Mapping[FoldKey, Sequence[Job]],
    strategies: Mapping[FoldKey, Strategy],
    trainer: Trainer,
    failures: dict[str, str] | None = None,
) -> tuple[dict[FoldKey, list[Job]], dict[str, Member]]:
    """Train the jobs of strategies on folds, stage by stage.

    Args:
        jobs: One job per model (see `jobs.jobs_of`). Of models that follow others it is a first guess (see
            `strategies.successive`).
        strategies: The strategies of the jobs, with the hyperparameters of their fold.
        trainer: Trains the jobs of one stage.
        failures: Strategy -> reason, to which strategies are added whose next jobs cannot be made; they are left out.
            None: the error is raised.

    Returns:
        The jobs that were trained, and their members by job id.
    """
    planned, members = {key: list(group) for key, group in jobs.items()}, dict[str, Member]()
    for stage in range(max((strategies[key].n_stages for key in jobs), default=1)):
        wave: list[Job] = []  # equal jobs of two strategies are one
        for key, group in list(planned.items()):
            try:
                # Index in `group` -> job: in later stages, jobs made of the members before them.
                due = strategies[key].due(stage, group, members, trainer.examples)
            except Exception as error:  # a user's own plan may raise anything; the others continue
                if failures is None:
                    raise
                failures[key[0]] = error_text(error)
            else:
                wave += due.values()
                for index, job in due.items():
                    group[index] = job
        # Strategies that failed are left out of later stages.
        planned = {key: group for key, group in planned.items() if key[0] not in (failures or {})}
        members |= trainer.train(wave)
    return planned, members


def trained_members(
    strategy: Strategy, jobs: Sequence[Job], members: Mapping[str, Member], trainer: Trainer
) -> list[Member]:
    """Return the members of a strategy on one fold, each after its finishing step, with outputs for the score rows.

    A network that was trained for several member strategies also has the output of each of them.

    Raises:
        ModelError: a training failed.
    """
    check_trained(jobs, members)
    done = []
    for single, job, member in zip(strategy.singles, jobs, strategy.outputs(jobs, members), strict=True):
        learner = trainer.learner(job)
        if isinstance(learner.model, Network):
            member = apply_finish(single.finish, member, job, learner.examples, learner.model)
        done.append(member)
    several, first = len(strategy.member_names), trainer.learner(jobs[0])
    if len(done) < several and len(jobs[0].score):
        return [replace(done[0], member_outputs=score_members(done[0], jobs[0], first.examples, first.model, several))]
    return done
