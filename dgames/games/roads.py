"""Fleets that share the roads of a city."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree
from typing_extensions import override

from dgames.arrays import as_float
from dgames.constraints.shared_constraints import Polyhedron, SharedConstraints
from dgames.game import Game
from dgames.sets import Box
from dgames.stacked import Stacked, is_stacked
from dgames.strategy import Strategy, blocks, join


class Roads(Game):
    r"""N fleets split what they carry over the links of a road network.

    With the flow `v_l = sum_i x_i^l` on link l, fleet i pays for the time and the tolls of its own
    vehicles (Bureau of Public Roads, 1964):

        f_i(x) = sum_l x_i^l (time_l(v_l) + toll_l),
        time_l(v) = free_l (1 + congestion (v / capacity_l)^4)

    over flows `x_i >= 0` that leave the origin, arrive at the destination, and are conserved at all
    other nodes. These equations bind one fleet each; their multipliers are the costs of reaching
    the nodes. Costs are convex in a fleet's own flows. Strategies are one vector of link flows per
    fleet, say in a tuple, or a `dgames.Stacked` array of shape (fleets, links).

    Attributes:
        links: The nodes from which and to which each link leads, as pairs.
        trips: Origin and destination of each fleet.
        demand: What each fleet carries.
        free: The time on each empty link.
        capacity: The flow on each link at which `congestion` is felt.
        toll: What a vehicle pays on each link, in units of time.
        congestion: By what share the time is longer at capacity.

    Example:
        >>> import dgames as dg
        >>> city = Roads.grid()
        >>> start = city.shortest_paths()
        >>> len(city.links), round(float(city.total_time(start)), 3)
        (76, 774.889)

    References:
        Orda, Rom and Shimkin, *Competitive routing in multiuser communication networks*, IEEE/ACM
        Transactions on Networking 1 (1993), on equilibria of fleets that split their flow.
    """

    links: tuple[tuple[int, int], ...] = eqx.field(converter=lambda v: _pairs(v), static=True)
    trips: tuple[tuple[int, int], ...] = eqx.field(converter=lambda v: _pairs(v), static=True)
    demand: Float[Array, " fleets"] = eqx.field(converter=as_float)
    free: Float[Array, " links"] = eqx.field(converter=as_float)
    capacity: Float[Array, " links"] = eqx.field(converter=as_float)
    toll: Float[Array, " links"] = eqx.field(converter=as_float)
    congestion: Float[Array, ""] = eqx.field(default=0.15, converter=as_float)

    def times(self, flow: Float[Array, " links"]) -> Float[Array, " links"]:
        """The time that a vehicle takes on each link, tolls not counted."""
        return self.free * (1 + self.congestion * (flow / self.capacity) ** 4)

    def total_time(self, x: Strategy) -> Float[Array, ""]:
        """The time of all vehicles together."""
        flow = self.flow(x)
        return jnp.sum(flow * self.times(flow))

    def flow(self, x: Strategy) -> Float[Array, " links"]:
        """The vehicles of all fleets on each link."""
        return jnp.sum(_matrix(x), 0)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        each = _matrix(x) @ (self.times(self.flow(x)) + self.toll)
        return Stacked(each) if is_stacked(x) else join(x, tuple(each))

    @override
    def strategy_set(self, x: Strategy) -> Box:
        return Box(0.0, jnp.inf)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        rows, balance = self._balances()
        none = np.zeros((0, rows.shape[1])), np.zeros(0)
        return (Polyhedron(*none, A_eq=rows, b_eq=balance.ravel()),)

    def _balances(self) -> tuple[np.ndarray, Array]:
        """What leaves each node but the last, for each fleet, and what has to, (fleets, nodes)."""
        fleets, nodes = len(self.trips), int(np.max(self.links)) + 1
        node, (start, end), trips = np.eye(nodes), np.transpose(self.links), np.array(self.trips)
        leaving = node[:, start] - node[:, end]
        # The balance of the last node follows from those of the others.
        rows = np.kron(np.eye(fleets), leaving[:-1])
        return rows, self.demand[:, None] * (node[trips[:, 0]] - node[trips[:, 1]])[:, :-1]

    @classmethod
    def grid(cls, fleets: int = 12, rows: int = 4, columns: int = 6) -> "Roads":
        """A grid of streets with two directions, by default of 24 nodes and 76 links.

        Times, capacities, trips and demands are irregular, and the same on every machine. Rows of
        a grid lie far apart, so that streets in the middle are in demand.

        Args:
            fleets: The number of fleets.
            rows: The number of rows of crossings.
            columns: The number of crossings in each row.
        """
        node = np.arange(rows * columns).reshape(rows, columns)
        along = np.stack([node[:, :-1].ravel(), node[:, 1:].ravel()], 1)
        across = np.stack([node[:-1].ravel(), node[1:].ravel()], 1)
        streets = np.concatenate([along, across])
        links = np.concatenate([streets, streets[:, ::-1]])
        place = np.arange(len(links))
        free = 2.0 + (7 * place % 11) / 4
        capacity = 4.0 + (5 * place % 13) / 2
        fleet = np.arange(fleets)
        origin = 5 * fleet % (rows * columns)
        trips = np.stack([origin, (origin + 11 + 2 * (fleet % 3)) % (rows * columns)], 1)
        demand = 2.0 + (3 * fleet % 7) / 2
        return cls(links, trips, demand, free, capacity, np.zeros(len(links)))

    def in_use(self, x: Strategy, least: float = 1e-9) -> "RoadsInUse":
        """The game in which each fleet keeps to the links on which it has a flow.

        On a link that nobody takes, times do not grow yet, so that no margin is to be had there. On
        those in use they do: near an equilibrium this game can be certified. An equilibrium of it
        is one of all roads, if on no other link the fleet's cost is below the difference of the
        multipliers of its ends.

        Args:
            x: Flows of all fleets on all links, such as an equilibrium.
            least: The flow below which a link is not in use.
        """
        used = np.asarray(_matrix(x)) > least
        return RoadsInUse(self, tuple(tuple(np.flatnonzero(row).tolist()) for row in used))

    def shortest_paths(self) -> tuple[Float[Array, " links"], ...]:
        """Everything on the paths that would be shortest if there were no traffic: a start."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import dijkstra

        nodes = int(np.max(self.links)) + 1
        start, end = np.transpose(self.links)
        lengths = coo_array((np.asarray(self.free), (start, end)), (nodes, nodes)).tocsr()
        before = dijkstra(lengths, indices=[a for a, _ in self.trips], return_predecessors=True)[1]
        of = {pair: place for place, pair in enumerate(self.links)}
        flows = np.zeros((len(self.trips), len(self.links)))
        for fleet, (origin, node) in enumerate(self.trips):
            while node != origin:
                last = int(before[fleet, node])
                flows[fleet, of[last, node]] = float(self.demand[fleet])
                node = last
        return tuple(jnp.asarray(flows))


class RoadsInUse(Game):
    """`Roads` on which each fleet has links of its own; made by `Roads.in_use`.

    Strategies are a tuple of vectors: for each fleet the flows on its links.

    Attributes:
        city: All roads.
        links: The numbers of the links of each fleet.
    """

    city: Roads
    links: tuple[tuple[int, ...], ...] = eqx.field(static=True)

    def taken(self, x: Strategy) -> tuple[Float[Array, " own"], ...]:
        """What is left of flows on all links on those of each fleet."""
        rows = zip(_matrix(x), self.links, strict=True)
        return tuple(row[jnp.asarray(own, int)] for row, own in rows)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        every = np.eye(len(self.city.links))
        pairs = zip(blocks(x), self.links, strict=True)
        flows = [own @ every[list(places)].astype(own.dtype) for own, places in pairs]
        times = self.city.times(sum(flows, jnp.zeros(()))) + self.city.toll
        return join(x, tuple(flow @ times for flow in flows))

    @override
    def strategy_set(self, x: Strategy) -> Box:
        return Box(0.0, jnp.inf)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        every, balance = self.city._balances()
        columns = np.concatenate(
            [np.array(own, int) + k * len(self.city.links) for k, own in enumerate(self.links)]
        )
        rows, none = every[:, columns], (np.zeros((0, len(columns))), np.zeros(0))
        met = np.flatnonzero(rows.any(1))  # the nodes that a fleet meets at all
        return (Polyhedron(*none, A_eq=rows[met], b_eq=balance.ravel()[met]),)


def _matrix(x: Strategy) -> Float[Array, "fleets links"]:
    return x.blocks if is_stacked(x) else jnp.stack(blocks(x))


def _pairs(value: Any) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in np.asarray(value))
