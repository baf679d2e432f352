"""Play the visits of a round in other processes, on this machine or on those of a Ray cluster.

The parent is the process of the run. It alone writes the record, applies rounds to the environment,
and asks policies that cost money. A worker is given a shard of a round's visitors with their
memories, plays their visits, and keeps nothing of them.
"""
