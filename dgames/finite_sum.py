"""Games and fields that are averages over data, and batches of the data."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, PyTree
from typing_extensions import override

from dgames.arrays import is_known
from dgames.constraints.shared_constraints import SharedConstraints
from dgames.fields.convert import as_field
from dgames.fields.field import AbstractField
from dgames.fields.pseudo_gradient import PseudoGradient
from dgames.game import Game
from dgames.sets import PlayerSets
from dgames.stacked import Player
from dgames.stepwise import Stepwise
from dgames.strategy import Block, Strategy


class FiniteSum(Game):
    r"""A game that is an average over data.

        f_i(x) = 1/n sum_(k=1)^n f_i(x, datum_k)

    As `args` it takes None, for all data, or the indices of a batch, for the average over that, so
    that every method runs on mini-batches: give `dgames.solve` a `Stepwise` of `Batches`. Their
    field is the whole one in the mean, and noisy: with a constant step, methods end up around the
    equilibrium rather than at it. `VarianceReducedHalpern` converges, at the price of whole
    evaluations now and then.

    An evaluation of the field at a batch of b indices takes b evaluations of a component, and at
    None it takes n.

    Attributes:
        game: The game of one datum, whose costs take it as `args`. Its sets and shared constraints
            are those of the sum; the latter must not depend on the datum.
        data: A pytree of arrays, one entry per datum along their first axes.

    >>> import dgames as dg
    >>> nearest = dg.game(lambda x, datum: ((x[0] - datum) ** 2, (x[1] + x[0] - datum) ** 2))
    >>> game = FiniteSum(nearest, jnp.array([0.0, 1.0, 5.0]))
    >>> game.size, [float(cost) for cost in game.costs((2.0, 0.0), jnp.array([0, 1]))]
    (3, [2.5, 2.5])
    >>> batches = dg.Stepwise(dg.Batches(jax.random.key(0), game.size, batch=2), mean=None)
    >>> method = dg.OptimisticDualAveraging(0.2, dg.PowerDecay(0.2, 0.5))
    >>> run = dg.solve(game, method, (0.0, 0.0), batches, max_steps=2000, tol=0.05)
    >>> [abs(float(block) - best) < 0.1 for block, best in zip(run.strategy, (2.0, 0.0))]
    [True, True]
    """

    game: Game
    data: PyTree[Array]

    def __check_init__(self):
        if not isinstance(self.game, Game):
            raise ValueError(
                "FiniteSum: the first argument is the game of one datum; make one of a function "
                "costs(x, datum) with dgames.game"
            )
        _size("FiniteSum", self.data)

    @property
    def size(self) -> int:
        """The number n of data."""
        return _size("FiniteSum", self.data)

    @override
    def costs(self, x: Strategy, args: PyTree = None) -> PyTree:
        return _mean(lambda datum: self.game.costs(x, datum), self.data, args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.game.strategy_set(x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.game.shared_constraints(x)


class FiniteSumField(AbstractField):
    r"""A field that is an average over data, `F(x) = 1/n sum_k F(x, datum_k)`.

    It is for components that are no pseudo-gradients, such as the columns of a matrix; of costs,
    make a `FiniteSum`. As `args` it takes None, for all data, or the indices of a batch.

    Attributes:
        field: The field of one datum, which it takes as `args`. Its sets and shared constraints are
            those of the sum.
        data: A pytree of arrays, one entry per datum along their first axes.

    >>> import dgames as dg
    >>> pull = dg.FunctionField(lambda x, datum: (x[0] - datum,))
    >>> field = FiniteSumField(pull, jnp.array([0.0, 1.0, 5.0]))
    >>> float(field((0.0,))[0]), float(field((0.0,), jnp.array([1, 2]))[0])
    (-2.0, -3.0)
    """

    field: AbstractField
    data: PyTree[Array]

    def __check_init__(self):
        _size("FiniteSumField", self.data)

    @property
    def size(self) -> int:
        """The number n of data."""
        return _size("FiniteSumField", self.data)

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        return _mean(lambda datum: self.field(x, datum), self.data, args)

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.field.strategy_set(x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.field.shared_constraints(x)


class Sampled(AbstractField):
    r"""The field of a game whose costs are means over rows of data, on all rows or on some.

    A `FiniteSum` is made of the game of one datum. The costs of a `ZeroSumNetworks`, and of much
    other code, take all data at once, as arrays with one row per datum, and mini-batches are fewer
    rows. As `args` this field takes None, for all rows, or the indices of a batch; the costs must
    be means over rows, so that the mean of all batches is the whole. A batch costs one evaluation
    of the game, and of a zero-sum game one backward pass.

    `sampled.batches(key, 16)` are the `args` with which `dgames.solve` draws new rows in every
    step; `VarianceReduced` draws them by itself.

    Attributes:
        game: A game or a field whose `args` are rows of data.
        data: A pytree of arrays, one row per datum.

    >>> import dgames as dg
    >>> f, g = (dg.nn.mlp((1, 8, 1), jax.random.key(i), start="antisymmetric") for i in (0, 1))
    >>> game = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), (f, g), decay=(0.2, 0.4))
    >>> z = jax.random.normal(jax.random.key(2), (64, 1))
    >>> sampled = Sampled(game, (z, z, jnp.sin(z[:, 0])))
    >>> batches = sampled.batches(jax.random.key(3), batch=16, every=100)
    >>> run = dg.solve(sampled, dg.Extragradient(0.1), (f, g), batches, max_steps=300)
    >>> bool(run.residual < 0.3)
    True
    >>> reduced = dg.VarianceReduced(0.1, jax.random.key(4), batch=16)
    >>> run = dg.solve(sampled, reduced, (f, g), tol=1e-3, max_steps=2000)
    >>> run.result == dg.RESULTS.successful
    Array(True, dtype=bool)
    """

    game: Any
    data: PyTree[Array]

    def __check_init__(self):
        if not isinstance(self.game, Game | AbstractField):
            raise ValueError(
                "Sampled: the first argument is a game or a field whose args are rows of data; got "
                f"{type(self.game).__name__}"
            )
        _size("Sampled", self.data)

    @property
    def size(self) -> int:
        """The number n of rows."""
        return _size("Sampled", self.data)

    @override
    def __call__(self, x: Strategy, args: PyTree = None) -> Strategy:
        return as_field(self.game)(x, _rows(self.data, args))

    @override
    def block(self, x: Strategy, player: Player, args: PyTree = None) -> Block:
        return as_field(self.game).block(x, player, _rows(self.data, args))

    @override
    def strategy_set(self, x: Strategy) -> PlayerSets:
        return self.game.strategy_set(x)

    @override
    def shared_constraints(self, x: Strategy) -> SharedConstraints:
        return self.game.shared_constraints(x)

    def batches(
        self, key: Key[Array, ""], batch: int, *, replace: bool = True, every: int = 1
    ) -> Stepwise:
        """Random rows in every step, as the `args` of `dgames.solve`.

        The run is judged by the residual on all rows.

        Args:
            key: A random key.
            batch: The number of rows in a step.
            replace: Whether a row may be drawn twice for a step.
            every: How often the residual is computed.
        """
        return Stepwise(Batches(key, self.size, batch, replace), mean=None, every=every)


class Batches(eqx.Module):
    """Random batches of indices: a function of the step, so that a run can be repeated.

    `dgames.Stepwise(batches, mean=None)` is what `dgames.solve` takes as `args` of a `FiniteSum`;
    with `mean`, the run is judged by the residual over all data.

    Attributes:
        key: A random key; the batch of a step depends on the key and the step only.
        size: The number n of data.
        batch: The number of indices in a batch.
        replace: Whether an index may be drawn twice. Without replacement the batch must not be
            larger than the data, and the variance of a batch of b is `(n - b) / (n - 1)` times
            that with replacement.

    >>> batches = Batches(jax.random.key(0), size=5, batch=5, replace=False)
    >>> sorted(batches(17).tolist())
    [0, 1, 2, 3, 4]
    """

    key: Key[Array, ""]
    size: int = eqx.field(static=True)
    batch: int = eqx.field(static=True)
    replace: bool = eqx.field(static=True, default=True)

    def __check_init__(self):
        for name, value in (("size", self.size), ("batch", self.batch)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise ValueError(f"Batches: {name} is a whole number, not {value!r}")
        if not eqx.is_array(self.key):
            raise ValueError("Batches: the key is a random one, such as jax.random.key(0)")
        if self.size < 1 or self.batch < 1 or (self.batch > self.size and not self.replace):
            raise ValueError(
                "Batches: a batch has at least one index, and without replacement at most as many "
                f"as there are data; got a batch of {self.batch} from {self.size}"
            )

    def __call__(self, step: Int[Array, ""] | int) -> Int[Array, " batch"]:
        """The indices of a step.

        Args:
            step: The number of the step, a whole number.
        """
        return draw(jax.random.fold_in(self.key, step), self.size, self.batch, self.replace)


def draw(key: Key[Array, ""], size: int, batch: int, replace: bool) -> Int[Array, " batch"]:
    """Draws indices below `size` at random.

    Args:
        key: A random key.
        size: The number of data.
        batch: How many indices.
        replace: Whether an index may be drawn twice.
    """
    if replace:
        return jax.random.randint(key, (batch,), 0, size)
    return jax.random.choice(key, size, (batch,), replace=False)


def number_of_components(field: AbstractField) -> int:
    """The number of data that a field is an average over.

    Args:
        field: The pseudo-gradient of a `FiniteSum`, a `FiniteSumField` or a `Sampled`.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(field, PseudoGradient) and isinstance(field.game, FiniteSum):
        return field.game.size
    if isinstance(field, FiniteSumField | Sampled):
        return field.size
    raise ValueError(
        "variance reduction needs an average over data: a dgames.FiniteSum, a dgames.Sampled or a "
        f"dgames.FiniteSumField; this is a {type(field).__name__}"
    )


def _mean(fn: Any, data: PyTree[Array], indices: PyTree) -> PyTree:
    """Returns the mean of a function over all data, or over those with the given indices."""
    return jax.tree.map(lambda leaf: jnp.mean(leaf, 0), jax.vmap(fn)(_rows(data, indices)))


def _rows(data: PyTree[Array], indices: PyTree) -> PyTree[Array]:
    """Returns all data, or those with the given indices."""
    if indices is None:
        return data
    _check_indices(indices, _size("FiniteSum", data))
    return jax.tree.map(lambda leaf: _chosen(jnp.asarray(leaf), indices), data)


def _chosen(leaf: Array, indices: Int[Array, " batch"]) -> Array:
    """Returns the entries with the given indices; what lies outside is NaN, not the last entry."""
    if is_known(indices):
        return leaf[indices]
    return leaf.at[indices].get(mode="fill")


def _check_indices(indices: Any, size: int) -> None:
    if not eqx.is_array_like(indices) or jnp.ndim(indices) != 1:
        fault = f"an array of shape {jnp.shape(indices)}" if eqx.is_array_like(indices) else indices
    elif not jnp.issubdtype(jnp.result_type(indices), jnp.integer):
        fault = f"an array of {jnp.result_type(indices)}"
    elif is_known(indices) and len(indices) and not -size <= min(indices) <= max(indices) < size:
        raise ValueError(
            f"the indices of a batch are below the number of data, {size}; got "
            f"{int(min(indices))} to {int(max(indices))}"
        )
    else:
        return
    raise ValueError(
        "the args of a finite sum are None, for all data, or the indices of a batch, a vector of "
        f"whole numbers; got {fault}"
    )


def _size(what: str, data: PyTree) -> int:
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(data)]
    counts = {shape[:1] for shape in shapes}
    if len(counts) != 1 or counts & {(), (0,)}:
        raise ValueError(
            f"{what}: data are arrays with one entry per datum along their first axes, at least "
            f"one; got shapes {', '.join(map(str, shapes)) or 'of nothing'}"
        )
    return shapes[0][0]
