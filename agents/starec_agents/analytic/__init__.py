"""Analytic users: they choose by a formula, without a model."""

from starec_agents.analytic.agent import AnalyticAgent
from starec_agents.analytic.choice import ChoiceSettings, cascade, multinomial_logit, order

__all__ = ["AnalyticAgent", "ChoiceSettings", "cascade", "multinomial_logit", "order"]
