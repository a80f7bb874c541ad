"""Methods on policies by the names and parameters of their papers: special cases of mirror methods.

They are meant for the pseudo-gradient of a game on simplices, which is `Regularised` where a
temperature c and a reference are mentioned. Natural policy gradient has no entry of its own: it is
`Simultaneous(h)` on `dgames.NaturalGradient(game)`, in logits, and the same as `MirrorDescent(h)`.
"""

from jaxtyping import Array, PyTree

from dgames.methods.mirror import Magnet, MirrorDescent, MirrorProx, NashMD, Schedule
from dgames.mirror_map import AbstractMirrorMap, EntropyMirror
from dgames.strategy import Strategy

Number = PyTree  # one number, or one per player


def multiplicative_weights(step_size: Number | Schedule) -> MirrorDescent:
    """Multiplicative weights, or Hedge: `x+ ~ x exp(-h F(x))`.

    Of preference games it is the self-play of Swamy et al. (arXiv:2401.04056). Its last strategy
    circles in zero-sum games; `dgames.Averaged` of it converges.

    Args:
        step_size: h.

    >>> multiplicative_weights(0.1).magnet is None
    True
    """
    return MirrorDescent(step_size)


def magnetic_mirror_descent(
    step_size: Number | Schedule,
    temperature: Number | Schedule,
    *,
    reference: Strategy = None,
    rate: Number = 0.0,
    period: int = 1,
    mirror: AbstractMirrorMap | None = None,
) -> MirrorDescent:
    """Magnetic mirror descent with a magnet of the method's own: fixed, moving, or fading.

        x+ = argmin h (<F(x), z> + c D(z, magnet)) + D(z, x)

    For the equilibrium of the game *regularised* towards a fixed magnet, with a residual that
    vanishes there, take `MirrorDescent(h)` on `Regularised(game, c, reference)`: the same steps.

    Args:
        step_size: h, or a function of the count of steps.
        temperature: c, or a function of the count of steps, which anneals it.
        reference: The first magnet (default: the first strategy).
        rate: The share of the way that the magnet moves to the strategy.
        period: The steps between moves of the magnet.
        mirror: The geometry (default: the entropy).

    References:
        Sokota et al., ICLR 2023, arXiv:2206.05825.
    """
    magnet = Magnet(temperature, reference, rate, period)
    return MirrorDescent(step_size, EntropyMirror() if mirror is None else mirror, magnet)


def magnetic_preference_optimisation(
    step_size: Number, temperature: Number, period: int
) -> MirrorDescent:
    """Magnetic mirror descent whose magnet is replaced by the strategy every `period` steps.

    Its last strategy tends to the equilibrium of the game itself, without regularisation.

    Args:
        step_size: h.
        temperature: c.
        period: Steps per stage.

    References:
        Wang et al., *Magnetic preference optimization*, ICLR 2025, arXiv:2410.16714.
    """
    return magnetic_mirror_descent(step_size, temperature, rate=1.0, period=period)


def egpo(step_size: Number) -> MirrorProx:
    """Extragradient preference optimisation: mirror prox with explicit regularisers.

        z  = (1 - h c) y + h c reference - h F(x)          in logits
        y+ = (1 - h c) y + h c reference - h F(softmax z)

    It is `nash_mirror_prox` with the step `h / (1 - h c)`.

    Args:
        step_size: h, less than `1 / c`.

    References:
        Zhou, Fazel and Du, *Extragradient preference optimization*, COLM 2025, arXiv:2503.08942.
    """
    return MirrorProx(step_size, implicit=False)


def nash_mirror_prox(step_size: Number = 2.0) -> MirrorProx:
    """Nash mirror prox: implicit mirror prox.

    With the step 2 on a `PreferenceGame` regularised with temperature c, each step contracts the
    divergence of the equilibrium from the strategy by `1 / (1 + 2 c)`, however many actions there
    are: preferences minus a half have the maximum norm 1/2.

    Args:
        step_size: h, at most one over the largest payoff in absolute value (up to a constant).

    References:
        Tiapkin et al., *Accelerating Nash learning from human feedback via mirror prox*, 2025,
        arXiv:2505.19731.
    """
    return MirrorProx(step_size)


def inpo(inverse_step: float | Array) -> MirrorDescent:
    """Iterative Nash policy optimisation: mirror descent with explicit regularisers.

        x+ ~ reference^(c / eta) x^(1 - c / eta) exp(-F(x) / eta)

    It is implicit `MirrorDescent` with the step `h / (1 - h c)`, `h = 1 / eta`.

    Args:
        inverse_step: eta, greater than c.

    References:
        Zhang et al., *Iterative Nash policy optimization*, 2024, arXiv:2407.00617.
    """
    return MirrorDescent(1 / inverse_step, implicit=False)


def nash_md(step_size: Number) -> NashMD:
    """Nash mirror descent as published, with explicit regularisers; see `NashMD`.

    Args:
        step_size: h, less than `1 / c`.

    References:
        Munos et al., *Nash learning from human feedback*, ICML 2024, arXiv:2312.00886.
    """
    return NashMD(step_size, implicit=False)
