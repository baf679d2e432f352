"""The training loop: imitate a teacher (SFT), then play, learn and publish (GRPO or DPO).

A killed training continues from its last checkpoint: steps that were played are learned again from
their rollouts on disk, and the others are played.
"""

from __future__ import annotations

from pathlib import Path

from starec_sim.errors import LearningError
from starec_sim.learning.checkpoints import RoundRollouts
from starec_sim.learning.config import Dpo, FromFeedback, Grpo, Sft
from starec_sim.learning.dpo import dpo_step
from starec_sim.learning.episodes import Episodes
from starec_sim.learning.grpo import grpo_step
from starec_sim.learning.learner import DivergenceError, Learner
from starec_sim.learning.rows import Rollout
from starec_sim.learning.sft import training_rows
from starec_sim.learning.split import batches
from starec_sim.learning.step_metrics import Guard, step_metrics
from starec_sim.learning.teacher import samples_of
from starec_sim.learning.token_ranks import ranks_by_token
from starec_sim.learning.training_run import BEFORE_STAGE_2, TrainingRun, wait_for_all
from starec_sim.learning.validation import log_changes, validate


async def run_stages(run: TrainingRun) -> Path:
    """Run both stages, from the last checkpoint on; return the folder of the last version."""
    try:
        if run.players is not None:
            run.store.put_held_out(run.split.held_out)
        if run.settings.sft is not None:
            await run_sft(run, run.settings.sft)
        elif run.players is not None:
            run.store.put_version(BEFORE_STAGE_2, run.load(None).save)
        wait_for_all()
        if run.settings.stage2 is None:
            return run.store.version(BEFORE_STAGE_2)
        return await run_stage_2(run, run.settings.stage2)
    finally:
        await run.close()


async def run_sft(run: TrainingRun, sft: Sft) -> None:
    """Stage 1: imitate the samples, epoch by epoch."""
    if run.store.has_version(BEFORE_STAGE_2):
        return
    samples = await samples_of(run, sft)
    updates = [
        batch
        for epoch in range(sft.epochs)
        for batch in batches(len(samples), sft.batch, run.streams, "anchor batches", epoch)
    ]
    checkpoint = run.last_checkpoint("sft")
    done = checkpoint.step if checkpoint else 0
    weights = run.load(run.store.version(f"sft-{done:06d}") if checkpoint else None)
    learner = run.learner(weights, sft.optimisation, len(updates))
    if checkpoint:
        learner.restore(checkpoint.state)
    run.keep_logged(lambda entry: entry["stage"] == "sft" and entry["step"] <= done)
    run.events.stage_started("sft", len(updates), done)
    chat = run.chat_format(weights)
    for step in range(done, len(updates)):
        run.stop_if_draining()
        batch = [samples[index] for index in updates[step]]
        update = learner.imitate(training_rows(batch, chat))
        learner.end_step()
        run.log(
            {
                "stage": "sft",
                "step": step + 1,
                "loss": update.loss,
                "gradient": update.gradient,
                "entropy": update.entropy,
                "learned_tokens": update.tokens,
                "learn_s": update.seconds,
            }
        )
        if (step + 1) % run.settings.checkpoint_every == 0:
            run.save(learner, f"sft-{step + 1:06d}")
            run.save_checkpoint(learner, "sft", step + 1)
    run.save(learner, BEFORE_STAGE_2)


async def run_stage_2(run: TrainingRun, stage: FromFeedback) -> Path:
    """Stage 2: play a round, learn from it, publish the weights, and again."""
    learner, done = _resumed_learner(run, stage)
    guard = Guard(run.settings.guards, run.store.version(f"{done:06d}"), stage.strength)
    ranks_of = ranks_by_token(learner.weights.tokenizer)
    episodes = _episodes(run, stage)
    run.publish(done)
    run.events.stage_started(stage.name, stage.steps, done)
    for step in range(done, stage.steps):
        run.stop_if_draining()
        if step % run.settings.evaluate.every == 0:
            await validate(run, step)
        # Play. A round that an earlier process played is on disk.
        if episodes is not None and not episodes.is_played(step):
            simulation, collector = episodes.at(step)
            played = await simulation.play_round()
            if not played.visits:
                raise _no_visits(step, stage)
            # Rollouts first: a round that is committed is never played again.
            run.store.save_rollouts(step, RoundRollouts(collector.take(), collector.pending))
            simulation.commit(played)
        # Learn.
        learner.accelerator.wait_for_everyone()
        rollouts = _rollouts(run, step)
        try:
            if isinstance(stage, Dpo):
                learned = dpo_step(learner, rollouts, stage, step, run.streams)
            else:
                assert isinstance(stage, Grpo), "stage 2 is one of two"
                learned = grpo_step(learner, rollouts, stage, step, run.streams, ranks_of)
            metrics = step_metrics(stage.name, step, rollouts, learned)
            guard.check(metrics, len(rollouts))
        except DivergenceError as error:
            raise guard.name_version(error) from error
        guard.passed(run.store.version(f"{step:06d}"))
        run.log(metrics)
        # Publish: the next round is played with the new weights.
        run.save(learner, f"{step + 1:06d}")
        if (step + 1) % run.settings.checkpoint_every == 0 or step + 1 == stage.steps:
            run.save_checkpoint(learner, stage.name, step + 1)
        run.publish(step + 1)
    await validate(run, stage.steps)
    log_changes(run, stage.steps)
    return run.store.version(f"{stage.steps:06d}")


def _resumed_learner(run: TrainingRun, stage: FromFeedback) -> tuple[Learner, int]:
    """Return the learner of the last checkpoint, and how many steps it has made."""
    checkpoint = run.last_checkpoint(stage.name)
    done = checkpoint.step if checkpoint else 0
    weights = run.load(run.store.version(BEFORE_STAGE_2))
    learner = run.learner(weights, stage.optimisation, stage.steps)
    learner.set_reference()
    if checkpoint:
        weights.load_version(run.store.version(f"{done:06d}"))
        learner.restore(checkpoint.state)
    # The validation after the checkpoint's step is repeated: its answers are recorded.
    run.keep_logged(
        lambda entry: (
            entry["stage"] == "sft"
            or entry["step"] < done
            or (entry["step"] == done and "loss" in entry)
        )
    )
    return learner, done


def _episodes(run: TrainingRun, stage: FromFeedback) -> Episodes | None:
    """Return the episodes; None in a process that does not play."""
    if run.players is None or run.trials is None:
        return None
    policies = run.players.policies
    return Episodes(run.trials, run.split, stage, run.rewards, policies, run.store)


def _rollouts(run: TrainingRun, step: int) -> list[Rollout]:
    stored = run.store.rollouts(step)
    if stored is None:
        raise LearningError(
            f"the rollouts of step {step + 1} are missing",
            hint="put the folder `rollouts` back as it was",
        )
    return stored.rollouts


def _no_visits(step: int, stage: FromFeedback) -> LearningError:
    episode, round = divmod(step, stage.rounds)
    return LearningError(
        f"no user visited in round {round + 1} of episode {episode + 1}, so there is nothing to "
        "learn from",
        hint=f"lower train.{stage.name}.rounds to the rounds that the environment has",
    )
