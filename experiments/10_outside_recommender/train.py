"""Train a recommender with Stable-Baselines3 that users of a feed like better than popularity.

    python experiments/10_outside_recommender/train.py --steps 12000 --seeds 3

The recommender chooses in each round how much six signals count in the score of an item, from a few
facts about the user. PPO learns it from the satisfaction of simulated users. It is compared with
fixed weights on the same unseen users; intervals are of the paired difference.
"""

from __future__ import annotations

import argparse
import time

import gymnasium
import numpy as np

import starec_sim.interop.feed_env  # noqa: F401 - registers the environment

SIGNALS = ("genre", "maker", "era", "popularity", "mean stars")
FIXED = {
    "popularity": (0, 0, 0, 1, 0),
    "mean stars": (0, 0, 0, 0, 1),
    "all signals alike": (1, 1, 1, 1, 1),
}
DATA = {"use": "synthetic", "users": 300, "items": 600, "interactions": 30}
DAMPING = 3.0
"""Ratings at the mean that are added before a mean is taken."""


class SignalWeights(gymnasium.Wrapper):
    """An action is a weight of each signal; the observation is a few facts about the user."""

    def __init__(self, env):
        super().__init__(env)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (len(SIGNALS),), np.float32)
        self.observation_space = gymnasium.spaces.Box(-5.0, 5.0, (5,), np.float32)
        inner = env.unwrapped
        self.features = inner.item_features
        log = inner.population.dataset.log
        counts = np.bincount(log.items, minlength=len(self.features.matrix))
        sums = np.bincount(log.items, log.ratings, minlength=len(counts))
        self.popularity = standardised(np.log1p(counts))
        self.quality = standardised((sums + DAMPING * log.ratings.mean()) / (counts + DAMPING))
        self.known = {}

    def reset(self, **options):
        self.known, info = self.env.reset(**options)
        return self.facts(), info

    def step(self, weights):
        scores = self.signals() @ np.asarray(weights, np.float64)
        scores /= max(1.0, np.abs(scores).max())
        self.known, *rest = self.env.step(scores.astype(np.float32))
        return self.facts(), *rest

    def facts(self):
        known, stars = self.known, self.known["stars"][self.known["stars"] > 0]
        mean, spread = (stars.mean() - 3.5, stars.std()) if len(stars) else (0.0, 0.0)
        rated = len(stars) / 20 - 1
        facts = [2 * known["round"][0] - 1, 2 * known["visited"][0] - 1, mean, spread, rated]
        return np.clip(facts, -5, 5).astype(np.float32)

    def signals(self):
        """Return the signals of each item for this user, shape (items, signals)."""
        rated = self.known["stars"] > 0
        above = np.where(rated, self.known["stars"] - self.known["stars"][rated].mean(), 0.0)
        matrix = self.features.matrix
        taste = (matrix.T @ above) / (matrix.T @ rated + DAMPING)
        columns = [
            standardised(
                matrix @ np.where([kind == name for kind, _ in self.features.names], taste, 0)
            )
            for name in SIGNALS[:3]
        ]
        return np.stack([*columns, self.popularity, self.quality], axis=1)


def standardised(values):
    return (values - values.mean()) / max(values.std(), 1e-9)


def make():
    return SignalWeights(gymnasium.make("starec/FeedScores-v0", data=DATA))


def play(env, episodes, weights):
    """Return the satisfaction of each episode, summed over its rounds."""
    totals = []
    for seed in range(1_000_000, 1_000_000 + episodes):
        known, _ = env.reset(seed=seed)
        total, done = 0.0, False
        while not done:
            known, reward, _, done, _ = env.step(weights(known))
            total += reward
        totals.append(total)
    return np.array(totals)


def interval(values):
    """Return mean and half of the 95 % interval, by the normal distribution."""
    return values.mean(), 1.96 * values.std(ddof=1) / np.sqrt(len(values))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=12_000, help="steps of each training")
    parser.add_argument("--seeds", type=int, default=3, help="trainings, with seeds 0, 1, ...")
    parser.add_argument("--episodes", type=int, default=200, help="users that are compared")
    asked = parser.parse_args()
    try:
        from stable_baselines3 import PPO  # takes seconds to import
    except ImportError as error:
        raise SystemExit(f"{error}: pip install 'starec-sim[rl]'") from None

    env = make()
    totals = {
        name: play(env, asked.episodes, lambda known, fixed=fixed: np.array(fixed))
        for name, fixed in FIXED.items()
    }
    for seed in range(asked.seeds):
        started = time.perf_counter()
        model = PPO(
            "MlpPolicy",
            env,
            n_steps=400,
            batch_size=100,
            learning_rate=3e-3,
            gamma=0.9,
            policy_kwargs={"net_arch": [16], "log_std_init": -0.7},
            seed=seed,
            device="cpu",
        )
        model.learn(asked.steps)
        name = f"PPO, seed {seed}"
        totals[name] = play(
            env, asked.episodes, lambda known, m=model: m.predict(known, deterministic=True)[0]
        )
        weights = model.predict(env.reset(seed=0)[0], deterministic=True)[0]
        words = ", ".join(f"{s} {w:+.2f}" for s, w in zip(SIGNALS, weights, strict=True))
        print(f"{name}: {time.perf_counter() - started:.0f} s; weights at first: {words}")
    print(f"\n{'recommender':20} {'satisfaction of an episode':>28} {'more than popularity':>24}")
    for name, values in totals.items():
        (mean, half), (more, half_more) = interval(values), interval(values - totals["popularity"])
        print(f"{name:20} {mean:20.2f} ± {half:.2f} {more:+18.2f} ± {half_more:.2f}")
    learned = np.stack([totals[name] for name in totals if name.startswith("PPO")]).mean(axis=0)
    mean, half = interval(learned - totals["popularity"])
    trainings = "1 training" if asked.seeds == 1 else f"{asked.seeds} trainings"
    print(f"PPO, mean of {trainings}: {mean:+.2f} ± {half:.2f} more than popularity")


if __name__ == "__main__":
    main()
