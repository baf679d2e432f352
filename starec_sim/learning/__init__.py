"""Anchored reinforcement training: from turns and rewards to a better policy.

What a reader meets, in the order in which data flows:

    rollouts    the simulation samples groups of answers; every answer is rewarded
    rows        turns become rows of token ids, merged only on an exact token prefix
    packing     rows with the same prompt share it in one forward pass
    grpo        the objective, straight beside its formulas
    anchoring   stage 1: a teacher's answers, screened, and imitated
    learner     weights, optimizer, schedule: one update at a time
    training    the loop: simulate, collect, learn, evaluate, repeat

torch is imported by `packing`, `grpo`, `models` and `learner` only.
"""
