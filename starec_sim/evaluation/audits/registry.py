"""The twelve audits, and what each of them implements."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from starec_sim.evaluation.audits.activity import Activity
from starec_sim.evaluation.audits.form import Form
from starec_sim.evaluation.audits.leak import Leak
from starec_sim.evaluation.audits.memorisation import Memorisation
from starec_sim.evaluation.audits.order import RecommenderOrder
from starec_sim.evaluation.audits.panel import Panel
from starec_sim.evaluation.audits.persona import Persona
from starec_sim.evaluation.audits.popularity import PopularityBias
from starec_sim.evaluation.audits.position import Position
from starec_sim.evaluation.audits.questions import PanelAnswers, PanelQuestion
from starec_sim.evaluation.audits.ratings import Ratings
from starec_sim.evaluation.audits.reflection import Reflection
from starec_sim.evaluation.audits.result import AuditResult
from starec_sim.evaluation.audits.retest import Retest
from starec_sim.evaluation.audits.selection import Selection


class Audit(Protocol):
    """One audit: its questions, and what it measures in the answers."""

    name: str
    title: str
    asks: str

    def questions(self, panel: Panel) -> Iterable[PanelQuestion]:
        """Yield the questions; equal questions of several audits are asked once."""
        ...

    def result(self, panel: Panel, answers: PanelAnswers) -> AuditResult:
        """Return metrics, a chart and references."""
        ...


AUDITS: tuple[Audit, ...] = (
    Form(),
    Position(),
    PopularityBias(),
    Ratings(),
    Selection(),
    Retest(),
    Persona(),
    Memorisation(),
    Reflection(),
    Leak(),
    RecommenderOrder(),
    Activity(),
)
NAMES = tuple(audit.name for audit in AUDITS)
