"""Complex momentum and Adam with a complex first moment, as optax transformations."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike

from dgames.transforms.decay_rates import check_decay


class ScaleByComplexMomentumState(NamedTuple):
    """State of `scale_by_complex_momentum`: one complex trace, kept as two real trees.

    Two real trees rather than a complex one keep the dtype (bfloat16 has no complex partner) and
    the sharding of the parameters.
    """

    trace_real: optax.Updates
    trace_imag: optax.Updates


class ScaleByComplexAdamState(NamedTuple):
    """State of `scale_by_complex_adam`: step count, complex first moment, real second moment."""

    count: ArrayLike  # pyright: ignore[reportIncompatibleMethodOverride]  (optax's own name)
    mu_real: optax.Updates
    mu_imag: optax.Updates
    nu: optax.Updates


def scale_by_complex_momentum(
    decay: ArrayLike = 0.9,
    angle: ArrayLike = math.pi / 8,
    accumulator_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Replaces updates by the real part of their complex trace.

    With `beta = decay * exp(1j * angle)` and incoming updates `g`,

        trace  <-  beta * trace + g
        output  =  Re(trace)  =  sum_k  decay^k cos(k angle) g[t - k]

    Like every `optax.scale_by_*`, the output keeps the sign of `g`; `optax.scale_by_learning_rate`
    turns it into a descent step. The buffer `mu` of the paper is `-trace`.

    Args:
        decay: Modulus of `beta`, in [0, 1).
        angle: Argument of `beta` in radians. `0` is heavy-ball momentum (`optax.trace`), `pi`
            negative momentum; in between, the weight of an old gradient oscillates and first turns
            negative at age `k > pi / (2 angle)`.
        accumulator_dtype: Real dtype of the two buffers; by default that of each parameter.

    Returns:
        A gradient transformation. Weight decay and clipping belong after it in a chain, so that
        they act on the real update and not on the buffer.

    Raises:
        ValueError: If `decay` is a number outside [0, 1), or if parameters are complex (wrap the
            optimiser in `optax.contrib.split_real_and_imaginary` for those).

    Example:
        >>> import jax.numpy as jnp
        >>> tx = scale_by_complex_momentum(decay=0.5, angle=jnp.pi / 2)  # beta = i / 2
        >>> state = tx.init(jnp.array(0.0))
        >>> for _ in range(4):
        ...     update, state = tx.update(jnp.array(1.0), state)
        ...     print(f"{update:.4f}")
        1.0000
        1.0000
        0.7500
        0.7500

    References:
        Lorraine, Acuna, Vicol and Duvenaud, *Complex Momentum for Optimization in Games*, AISTATS
        2022, arXiv:2102.08431.
    """
    check_decay(decay)

    def init(params):
        return ScaleByComplexMomentumState(*_complex_zeros(params, accumulator_dtype))

    def update(updates, state, params=None, **extra_args):
        del params, extra_args
        beta = _polar(decay, angle)
        real, imag = _accumulate(updates, state.trace_real, state.trace_imag, beta, (1.0, 0.0))
        return _cast_like(real, updates), ScaleByComplexMomentumState(real, imag)

    return optax.GradientTransformationExtraArgs(init, update)


def complex_momentum(
    learning_rate: optax.ScalarOrSchedule,
    decay: ArrayLike = 0.9,
    angle: ArrayLike = math.pi / 8,
    accumulator_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Gradient descent with complex momentum.

    With `beta = decay * exp(1j * angle)` and a complex buffer `mu` that starts at zero,

        mu  <-  beta * mu - g
        x   <-  x + learning_rate * Re(mu)

    On a bilinear game no real momentum converges when the players move simultaneously, whatever the
    step size; suitable complex ones do. The largest stable step is sharp: for `min_x max_y x y` and
    the default `beta` it is about 0.072, and 0.060 is best.

    Args:
        learning_rate: Step size, a number or an optax schedule.
        decay: Modulus of `beta`, in [0, 1).
        angle: Argument of `beta` in radians: `0` is `optax.sgd(learning_rate, momentum=decay)`,
            `pi` is `optax.sgd(learning_rate, momentum=-decay)`.
        accumulator_dtype: Real dtype of the two buffers; by default that of each parameter.

    Returns:
        A gradient transformation whose updates are added to the parameters.

    Raises:
        ValueError: As for `scale_by_complex_momentum`.

    Example:
        The bilinear game `min_x max_y x y`, on which gradient descent-ascent spirals outwards:

        >>> import jax.numpy as jnp, optax
        >>> tx = complex_momentum(0.05)
        >>> x = {"min": jnp.array(1.0), "max": jnp.array(1.0)}
        >>> state = tx.init(x)
        >>> for _ in range(2000):
        ...     pseudo_gradient = {"min": x["max"], "max": -x["min"]}
        ...     updates, state = tx.update(pseudo_gradient, state, x)
        ...     x = optax.apply_updates(x, updates)
        >>> bool(jnp.hypot(x["min"], x["max"]) < 1e-10)
        True

    References:
        Lorraine, Acuna, Vicol and Duvenaud, *Complex Momentum for Optimization in Games*, AISTATS
        2022, arXiv:2102.08431.
    """
    return optax.chain(
        scale_by_complex_momentum(decay, angle, accumulator_dtype),
        optax.scale_by_learning_rate(learning_rate),
    )


def scale_by_complex_adam(
    decay: ArrayLike = 0.9,
    angle: ArrayLike = math.pi / 8,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    accumulator_dtype: DTypeLike | None = None,
    *,
    normalise: bool = False,
    debias: bool = False,
) -> optax.GradientTransformationExtraArgs:
    r"""Rescales updates by Adam with a complex first moment.

    With `beta = decay * exp(1j * angle)`, incoming updates `g` and steps counted from `t = 1`,

        mu  <-  beta * mu + c g                    c = 1 - beta if normalise else 1
        nu  <-  b2 * nu + (1 - b2) g^2
        output = Re(m) / (sqrt(nu / (1 - b2^t)) + eps)      m = mu / (1 - beta^t) if debias else mu

    The second moment is real and always corrected for its zero start. Under a constant gradient
    `Re(m)` tends to `g Re(1 / (1 - beta))`, so by default the effective step is the learning rate
    times `Re(1 / (1 - beta))` (1.15 for the default `beta`); with `normalise` it is the learning
    rate itself. `angle=0` with both options on is `optax.scale_by_adam`.

    The complex weight `1 - beta` also turns the buffer and so delays fresh gradients, whose weight
    is `Re(1 - beta)`: stiff problems then want smaller steps.

    Args:
        decay: Modulus of `beta`, in [0, 1).
        angle: Argument of `beta` in radians.
        b2: Decay rate of the second moment, in [0, 1).
        eps: Added to the denominator, outside the square root.
        accumulator_dtype: Real dtype of the first moment's two buffers; by default that of each
            parameter.
        normalise: Whether the first moment is an average, weighted by `1 - beta`, or a plain sum.
        debias: Whether the first moment is corrected for its zero start.

    Returns:
        A gradient transformation. The output keeps the sign of `g`, as in every `optax.scale_by_*`.

    Raises:
        ValueError: If `decay` or `b2` is a number outside [0, 1), or if parameters are complex.

    References:
        Lorraine, Acuna, Vicol and Duvenaud, *Complex Momentum for Optimization in Games*, AISTATS
        2022, arXiv:2102.08431; Kingma and Ba, *Adam*, ICLR 2015, arXiv:1412.6980.
    """
    check_decay(decay)
    check_decay(b2, "b2")

    def init(params):
        return ScaleByComplexAdamState(
            jnp.zeros([], jnp.int32),
            *_complex_zeros(params, accumulator_dtype),
            optax.tree.zeros_like(params),
        )

    def update(updates, state, params=None, **extra_args):
        del params, extra_args
        count = optax.safe_increment(state.count)
        beta_real, beta_imag = _polar(decay, angle)
        gain = (1 - beta_real, -beta_imag) if normalise else (1.0, 0.0)
        mu = _accumulate(updates, state.mu_real, state.mu_imag, (beta_real, beta_imag), gain)
        nu = jax.tree.map(
            lambda g, v: _like(b2, v) * v + _like(1 - b2, v) * g * g, updates, state.nu
        )

        moment = _real_quotient(mu, _one_minus_power(decay, angle, count)) if debias else mu[0]
        unbias = _one_minus_power(b2, 0.0, count)[0]
        moment = _cast_like(moment, updates)
        scaled = jax.tree.map(
            lambda m, v: m / (jnp.sqrt(v / _like(unbias, v)) + _like(eps, v)), moment, nu
        )
        return scaled, ScaleByComplexAdamState(count, *mu, nu)

    return optax.GradientTransformationExtraArgs(init, update)


def complex_adam(
    learning_rate: optax.ScalarOrSchedule,
    decay: ArrayLike = 0.9,
    angle: ArrayLike = math.pi / 8,
    b2: ArrayLike = 0.999,
    eps: ArrayLike = 1e-8,
    accumulator_dtype: DTypeLike | None = None,
    *,
    normalise: bool = False,
    debias: bool = False,
) -> optax.GradientTransformationExtraArgs:
    r"""Adam with a complex first moment.

    See `scale_by_complex_adam` for the formula; its output is multiplied by `-learning_rate`.

    Args:
        learning_rate: Step size, a number or an optax schedule.
        decay: Modulus of the complex decay rate `beta` of the first moment, in [0, 1).
        angle: Argument of `beta` in radians.
        b2: Decay rate of the second moment, in [0, 1).
        eps: Added to the denominator, outside the square root.
        accumulator_dtype: Real dtype of the first moment's two buffers; by default that of each
            parameter.
        normalise: Whether the first moment is an average, weighted by `1 - beta`, or a plain sum.
        debias: Whether the first moment is corrected for its zero start.

    Returns:
        A gradient transformation whose updates are added to the parameters.

    Raises:
        ValueError: As for `scale_by_complex_adam`.

    Example:
        >>> import jax.numpy as jnp, optax
        >>> tx = complex_adam(1e-2, angle=jnp.pi / 8)
        >>> params = {"generator": jnp.ones(3), "discriminator": jnp.ones(2)}
        >>> state = tx.init(params)
        >>> updates, state = tx.update(params, state, params)
        >>> print(updates["generator"].round(4))
        [-0.01 -0.01 -0.01]

    References:
        Lorraine, Acuna, Vicol and Duvenaud, *Complex Momentum for Optimization in Games*, AISTATS
        2022, arXiv:2102.08431.
    """
    return optax.chain(
        scale_by_complex_adam(
            decay, angle, b2, eps, accumulator_dtype, normalise=normalise, debias=debias
        ),
        optax.scale_by_learning_rate(learning_rate),
    )


def _complex_zeros(params, dtype):
    if any(jnp.iscomplexobj(leaf) for leaf in jax.tree.leaves(params)):
        raise ValueError(
            "Complex momentum is for real parameters. For complex ones, wrap the optimiser: "
            "`optax.contrib.split_real_and_imaginary(complex_momentum(...))`."
        )
    if dtype is not None and not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"`accumulator_dtype` must be a real floating dtype, got {dtype}.")
    return optax.tree.zeros_like(params, dtype=dtype), optax.tree.zeros_like(params, dtype=dtype)


def _polar(modulus, angle):
    return modulus * jnp.cos(angle), modulus * jnp.sin(angle)


def _one_minus_power(modulus, angle, count):
    """Real and imaginary part of `1 - (modulus e^{i angle})^count`."""
    exponent = jnp.asarray(count, dtype=jnp.result_type(float))
    modulus, angle = (jnp.asarray(v).astype(exponent.dtype) for v in (modulus, angle))
    real, imag = _polar(modulus**exponent, angle * exponent)
    return 1 - real, -imag


def _accumulate(updates, real, imag, beta, gain):
    """Both parts of `beta * (real + i imag) + gain * updates`, in the dtype of the buffers."""

    def new_real(g, r, i):
        return _like(beta[0], r) * r - _like(beta[1], r) * i + _like(gain[0], r) * g.astype(r.dtype)

    def new_imag(g, r, i):
        return _like(beta[1], r) * r + _like(beta[0], r) * i + _like(gain[1], r) * g.astype(r.dtype)

    return (
        jax.tree.map(new_real, updates, real, imag),
        jax.tree.map(new_imag, updates, real, imag),
    )


def _real_quotient(numerator, denominator):
    """Real part of `(a + i b) / (c + i d)`, leaf by leaf."""
    c, d = denominator
    square = c * c + d * d
    return jax.tree.map(
        lambda a, b: _like(c / square, a) * a + _like(d / square, a) * b, *numerator
    )


def _like(value, leaf):
    # A hyper-parameter in the dtype of the leaf it meets: neither promotes the leaf nor offends
    # strict promotion.
    return jnp.asarray(value, dtype=leaf.dtype)


def _cast_like(tree, target):
    return jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), tree, target)
