"""Fleets on a road network: equilibria by two methods, and tolls chosen by gradients."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import certify
import dgames as dg
from dgames.games import Roads


def equilibrium(city, tol=1e-11, start=None, steps=(0.03, 1.5)):
    start = dg.with_multipliers(city, city.shortest_paths()) if start is None else start
    method = dg.PrimalDual(*steps)
    return dg.solve(dg.ExtendedField(city), method, start, tol=tol, max_steps=30_000).strategy


def refined(city, x):
    """Newton's method from players with multipliers near the solution."""
    return dg.solve_kkt(city, x[:-1], multipliers=x[-1], max_steps=0)


@eqx.filter_jit
def time_and_slope(city, x):
    """The total time at the equilibrium near x, and its derivative along tolls."""

    def total(toll):
        priced = eqx.tree_at(lambda city: city.toll, city, toll)
        return priced.total_time(refined(priced, x).strategy)

    return jax.value_and_grad(total)(city.toll)


def priced(city, toll):
    return eqx.tree_at(lambda city: city.toll, city, toll)


def test_fleets_choose_paths_of_least_marginal_cost():
    """Where a fleet drives, its marginal cost is the difference of the multipliers of the ends."""
    city = Roads.grid(2, 2, 2)
    x = equilibrium(city)
    flows, potentials = jnp.stack(x[:-1]), np.asarray(x[-1]).reshape(2, 3)
    potentials = np.concatenate([potentials, np.zeros((2, 1))], 1)
    start, end = np.transpose(city.links)
    marginal = np.stack(dg.pseudo_gradient(city)(x[:-1]))
    reduced = marginal + potentials[:, start] - potentials[:, end]
    assert (reduced > -1e-8).all() and np.allclose(reduced[flows > 1e-6], 0.0, atol=1e-8)
    assert (np.asarray(flows) > 1e-6).any(1).all()
    node = np.eye(4)
    balance = (node[:, start] - node[:, end]) @ flows.T
    trips = np.array(city.trips)
    wanted = np.asarray(city.demand) * (node[:, trips[:, 0]] - node[:, trips[:, 1]])
    assert np.allclose(balance, wanted, atol=1e-9)


@pytest.mark.full
def test_two_methods_agree_on_24_nodes_and_76_links_with_12_fleets():
    city = Roads.grid()
    assert len(city.links) == 76 and len(city.trips) == 12
    exact = equilibrium(city, 1e-12)
    rough = equilibrium(city, 1e-3)
    point = refined(city, rough)
    assert float(point.residual) < 1e-11
    distance = jnp.abs(jnp.stack(point.strategy) - jnp.stack(exact[:-1])).max()
    assert float(distance) < 1e-9
    assert float(jnp.abs(jnp.stack(rough[:-1]) - jnp.stack(exact[:-1])).max()) > 1e-5
    assert np.isclose(city.total_time(point.strategy), 622.5758065923501, rtol=1e-9)


@pytest.mark.full
def test_tolls_are_chosen_by_gradients_through_active_constraints():
    city = Roads.grid()
    x = equilibrium(city, 1e-8)
    before, slope = time_and_slope(city, x)
    along = jnp.asarray(np.random.default_rng(0).normal(size=76))
    step = 1e-5
    more, _ = time_and_slope(priced(city, step * along), x)
    less, _ = time_and_slope(priced(city, -step * along), x)
    assert np.isclose(slope @ along, (more - less) / (2 * step), rtol=1e-5)
    value = before
    for _ in range(8):
        city = priced(city, jnp.maximum(city.toll - 0.2 * slope, 0.0))
        x = equilibrium(city, 1e-4, x)
        value, slope = time_and_slope(city, x)
    assert float(value) < float(before) - 7.0


@pytest.mark.full
def test_the_equilibrium_is_certified_on_the_links_in_use():
    city = Roads.grid()
    x = tuple(refined(city, equilibrium(city)).strategy)
    own = city.in_use(x)
    flows = own.taken(x)
    assert sum(map(len, own.links)) == sum(flow.size for flow in flows) == 119
    assert np.allclose(jnp.stack(own.costs(flows)), jnp.stack(city.costs(x)))
    found = certify.certify(own, certify.Box.around(flows, 0.01), [dg.Extragradient])
    assert found.status == "proved" and found.check(level=2).ok
    assert found.equilibrium.radius < 1e-6 and found.margin > 5e-7
    assert found.shared is not None and found.shared.notion == "nash"
    assert set(found.shared.states) == {"equality"}
    # No other link costs a fleet less than the multipliers of its ends differ by.
    point = refined(city, equilibrium(city))
    costs = jnp.stack(point.bound_multipliers)
    assert float(jnp.min(jnp.where(jnp.stack(x) > 1e-9, jnp.inf, costs))) > -1e-8
