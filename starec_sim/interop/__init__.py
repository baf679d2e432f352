"""Other projects' tools and simulated users: each drives the other.

| file | what is in it |
|---|---|
| `feed_env.py` | the recommender is trained: a Gymnasium environment with one user an episode |
| `feed_vector_env.py` | the same with many users of one feed at once |
| `users_env.py` | the users are trained: a PettingZoo environment in which each user is an agent |
| `gymnasium_world.py` | the environment `gymnasium`: our users live in a Gymnasium environment |
| `feed_population.py` | plays the users of a feed whose recommender is outside |
| `outside_recommender.py` | the recommender of such a feed |
| `quick_agent.py` | an agent without prompts and models, for many steps a second |
| `openenv_server.py`, `openenv_messages.py` | a user as an environment over OpenEnv's protocol |
| `openenv_episode.py`, `openenv_recommender.py` | one user whose recommender is outside |
| `openenv_manifest.py` | what the server says of itself, and `openenv.yaml` |
| `verifiers_questions.py` | questions and rewards, which `starec_verifiers` gives to verifiers |

Gymnasium and PettingZoo come with `pip install starec-sim[rl]`. The other files import no
package of another project.
"""
