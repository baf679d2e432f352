"""The agents' graphs for LangGraph's own tools: `langgraph dev` opens them in Studio.

`langgraph.json` names the graphs of `starec_agents.studio.graphs`. The nodes are those of every
run. The input is typed. `{"user": 3}` plays a visit of the user at row 3 of the dataset that the
configuration panel names. `{"run": "runs/...", "user": "u36", "round": 4}` puts a recorded user
where she stood at the beginning of round 4, with her memory. One can step through the nodes, edit
the state, and play the rest again from there.
"""
