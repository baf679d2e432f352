"""Environments of other projects: users and recommenders as Gymnasium and PettingZoo know them.

| file | what is in it |
|---|---|
| `feed_env.py` | the recommender is trained: a Gymnasium environment with one user an episode |
| `feed_vector_env.py` | the same with many users of one feed at once |
| `users_env.py` | the users are trained: a PettingZoo environment in which each user is an agent |
| `gymnasium_world.py` | the environment `gymnasium`: our users live in a Gymnasium environment |
| `feed_population.py` | plays the users of a feed whose recommender is outside |
| `outside_recommender.py` | the recommender of such a feed |
| `quick_agent.py` | an agent without prompts and models, for many steps a second |

The packages come with `pip install starec-sim[rl]`. Nothing outside of this folder imports them.
"""
