"""What goes over OpenEnv's protocol: the action, the observation and the state of an episode.

The names `reward`, `done` and `metadata` beside an observation are those of the protocol.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from starec_sim.interop.openenv_episode import UserEpisode, VisitResult
from starec_sim.types import Experience, Item, Step

LONGEST_HISTORY = 50
"""Experiences from before the episode that an observation holds, the latest ones."""
_Id = Annotated[str, Field(min_length=1, max_length=500)]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SlateAction(_Message):
    """What the outside recommender shows."""

    items: list[_Id] = Field(max_length=10_000)
    """Ids of items, in the order in which they are shown, `slate_size` of them."""
    metadata: dict[str, Any] = Field(default={})
    """Of the client; it is not read."""


class EpisodeRequest(_Message):
    """What a reset may ask for."""

    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Of everything that is drawn, the user too; any seed without one."""
    user: _Id | None = None
    """The id of the user."""
    episode_id: str | None = Field(default=None, max_length=255)
    """Is given back in the state."""


class CatalogueItem(_Message):
    """An item, as everybody can see it."""

    id: str
    title: str
    attributes: dict[str, list[str]]
    numbers: dict[str, float]


class RatedItem(_Message):
    """What a recommender learns of one item that a user consumed."""

    id: str
    stars: float | None
    """None where she gives no stars."""
    liked: bool


class ItemResponse(_Message):
    """What a user did with one item that she was shown."""

    id: str
    actions: list[str]
    """As her answer says them, such as `watch 4`: what she expected."""
    stars: float | None
    """How it turned out; None if she did not consume it, or where there are no stars."""
    liked: bool | None
    """Whether it turned out well; None if she did not consume it, or where nobody knows."""


class PageResponse(_Message):
    """What a user did with one page of a visit."""

    items: list[ItemResponse]
    ending: str
    """Why the visit ended here: `left`, `tired`, `pages`; empty if it went on."""


class SlateObservation(_Message):
    """The public side of a user: what a recommender can know of her."""

    user: str
    profile: dict[str, str]
    history: list[RatedItem]
    """What she consumed before the episode, oldest first."""
    round: int
    """The round of the visit for which a slate is wanted, from 1."""
    rounds: int
    absent: int
    """Rounds before it in which she stayed away."""
    slate_size: int
    """How many items the next slate must hold; 0 at the end of the episode."""
    candidates: list[CatalogueItem]
    """Items that the experiment's recommender holds best for her, best first. Others may be shown
    too, if she has not consumed them and did not skip them lately."""
    pages: list[PageResponse]
    """What she did with the last slate: only pages that she looked at."""
    rewards: dict[str, float]
    """The components of the reward: means over these pages."""
    problem: str
    """Why the last slate was refused; empty if it was shown."""


class EpisodeState(_Message):
    """Where an episode stands."""

    episode_id: str | None = None
    step_count: int = 0
    seed: int | None = None
    user: str | None = None
    round: int = 0
    """Rounds that are over."""
    rounds: int = 0
    refused: int = 0
    """Slates that were refused."""


def observation(episode: UserEpisode, result: VisitResult | None = None) -> SlateObservation:
    """Return what the outside recommender is told.

    Args:
        episode: The episode.
        result: What came of the last slate; None before the first.
    """
    items, exchange = episode.environment.items, episode.exchange
    known = episode.environment.history(episode.user)[-LONGEST_HISTORY:]
    return SlateObservation(
        user=episode.person.id,
        profile=dict(episode.person.profile),
        history=[_rated(items[each.item], each) for each in known],
        round=min(episode.round + 1, episode.rounds),
        rounds=episode.rounds,
        absent=episode.absent,
        slate_size=0 if episode.done else exchange.size,
        candidates=[] if episode.done else [_described(items[row]) for row in exchange.candidates],
        pages=[_page(episode, step) for step in result.visit.steps]
        if result is not None and result.visit is not None
        else [],
        rewards=dict(result.rewards) if result is not None else {},
        problem=result.problem if result is not None else "",
    )


def _described(item: Item) -> CatalogueItem:
    return CatalogueItem(
        id=item.id,
        title=item.title,
        attributes={name: list(values) for name, values in item.attributes.items()},
        numbers=dict(item.numbers),
    )


def _rated(item: Item, experience: Experience) -> RatedItem:
    return RatedItem(id=item.id, stars=experience.rating, liked=experience.liked)


def _page(episode: UserEpisode, step: Step) -> PageResponse:
    task = step.observation.task
    said: dict[int, list[str]] = {row: [] for row in step.observation.slate}
    for action in step.decision.actions:
        said[action.item].append(task.said(action.kind, action.value))
    stars = {each.item: each.rating for each in step.feedback.experiences}
    liked = {
        each.item: each.like if each.rating is None else each.liked
        for each in step.feedback.experiences
    }
    return PageResponse(
        items=[
            ItemResponse(
                id=episode.environment.items[row].id,
                actions=actions,
                stars=stars.get(row),
                liked=liked.get(row),
            )
            for row, actions in said.items()
        ],
        ending=step.feedback.ending,
    )
