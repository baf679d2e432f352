"""The agents that ship: LangGraph users that think fast and slow."""
