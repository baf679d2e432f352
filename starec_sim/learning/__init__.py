"""Trainings of the policy that plays: imitate a teacher (SFT), then learn from rewards (GRPO).

The modules in the order in which data flows; `trainer` is the loop over all of them.

| module | what it does |
|---|---|
| `train` | starts and resumes a training in the folder of a run |
| `trainer` | the loop: play, collect, save, commit, learn, publish |
| `episodes` | opens the trials that are played: episodes, the teacher's, validations |
| `rollouts`, `rewards` | ask a question several times and reward every answer |
| `rows`, `packing` | turns become rows of token ids; rows with the same prompt share it |
| `advantages`, `grpo`, `grpo_loss` | advantages within a group, and the loss beside its formulas |
| `dpo` | pairs of answers of a group, and the loss beside its formula |
| `teacher`, `sft` | a teacher's answers are screened and imitated |
| `learner`, `models` | weights, optimizer, schedule: one update at a time |
| `weight_sync` | the policy that plays gets the new weights |
| `validation`, `split` | hold-out users, and what changed for them |
| `checkpoints` | versions, checkpoints, rollouts and the log on disk |
"""
