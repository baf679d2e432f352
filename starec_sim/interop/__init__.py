"""Other projects' tools and simulated users: each drives the other.

| file | what is in it |
|---|---|
| `openenv_server.py`, `openenv_messages.py` | a user as an environment over OpenEnv's protocol |
| `openenv_episode.py`, `openenv_recommender.py` | one user whose recommender is outside |
| `openenv_manifest.py` | what the server says of itself, and `openenv.yaml` |
| `verifiers_questions.py` | questions and rewards, which `starec_verifiers` gives to verifiers |

No file imports the other project's package.
"""
