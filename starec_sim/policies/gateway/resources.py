"""What all gateways of one run share: its lines, its cache, and what it may still spend."""

from __future__ import annotations

from starec_sim.policies.gateway.budget_guard import BudgetGuard, Spent
from starec_sim.policies.gateway.cache import Cache
from starec_sim.policies.gateway.endpoint_client import EndpointClient
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.rate_limiter import RateLimiter
from starec_sim.policies.settings import Budget, GatewaySettings, Limits


class GatewayResources:
    """The lines of one run, one for each policy.

    Args:
        settings: How models are asked.
        budget: What the run may spend.
        before: What earlier processes of the run have spent of it.

    Raises:
        RunError: The cache cannot be used.
    """

    def __init__(
        self,
        settings: GatewaySettings = GatewaySettings(),  # noqa: B008 (frozen)
        budget: Budget = Budget(),  # noqa: B008
        before: Spent = Spent(),  # noqa: B008
    ) -> None:
        self.traffic = BudgetGuard(budget, before)
        self.cache = Cache(settings.cache) if settings.cache is not None else None
        self._settings = settings
        self._lines: dict[int, EndpointClient] = {}
        self._paces: dict[tuple[str, Limits], RateLimiter] = {}
        self._policies: list[Policy] = []

    def line(self, policy: Policy) -> EndpointClient:
        """Return the line of a policy; the same one every time."""
        if id(policy) not in self._lines:
            seats = policy.limits.in_flight or getattr(policy.model, "max_in_flight", None)
            pace = self._paces.setdefault(
                (policy.name, policy.limits), RateLimiter(policy.limits, seats)
            )
            self._lines[id(policy)] = EndpointClient(policy, pace, self._settings, self.traffic)
            self._policies.append(policy)  # keeps it alive, and with it its id
        return self._lines[id(policy)]

    def close(self) -> None:
        """Write and close the cache."""
        if self.cache is not None:
            self.cache.close()
