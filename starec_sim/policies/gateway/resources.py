"""What all gateways of one run share: the clients of its policies, its cache and its budget."""

from __future__ import annotations

from starec_sim.policies.gateway.budget_guard import BudgetGuard, Spent
from starec_sim.policies.gateway.cache import Cache
from starec_sim.policies.gateway.endpoint_client import EndpointClient
from starec_sim.policies.gateway.policy import Policy
from starec_sim.policies.gateway.rate_limiter import RateLimiter
from starec_sim.policies.settings import Budget, GatewaySettings, Limits


class GatewayResources:
    """The clients of the policies of one run, its cache and its budget.

    Args:
        settings: How the gateway asks models.
        budget: The most that the run may spend.
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
        self.cache = Cache(settings.cache) if settings.cache is not None else None
        self._settings = settings
        self.budget = BudgetGuard(budget, before)
        self._clients: dict[int, EndpointClient] = {}
        self._limiters: dict[tuple[str, Limits], RateLimiter] = {}
        self._policies: list[Policy] = []

    def spent(self) -> Spent:
        """Return what this process has spent so far."""
        return self.budget.spent()

    def add_spent(self, spent: Spent) -> None:
        """Count what was spent in another process of the run."""
        self.budget.add(spent)

    def client(self, policy: Policy) -> EndpointClient:
        """Return the client of a policy; the same one every time."""
        if id(policy) not in self._clients:
            in_flight = policy.limits.in_flight or policy.abilities.max_in_flight
            limiter = self._limiters.setdefault(
                (policy.name, policy.limits), RateLimiter(policy.limits, in_flight)
            )
            self._clients[id(policy)] = EndpointClient(policy, limiter, self._settings, self.budget)
            self._policies.append(policy)  # keeps it alive, so that its id is not given away
        return self._clients[id(policy)]

    def limiters(self) -> list[RateLimiter]:
        """Return the rate limiters of the policies that were asked so far."""
        return list(self._limiters.values())

    def close(self) -> None:
        """Write and close the cache."""
        if self.cache is not None:
            self.cache.close()
