"""Makes checked certificates that training converges in zero-sum games of networks."""

from collections.abc import Callable, Sequence
from typing import Any

from flint import ctx  # pyright: ignore[reportMissingTypeStubs]

import dgames as dg
from certify.checker import Unusable
from certify.checker.rederive_neural import PRECISION
from certify.checker.verdict import Rejected
from certify.claims.checked import Checked, NotAccepted
from certify.claims.neural_convergence import NeuralConvergence
from certify.enclosure.enclose import require_x64
from certify.file.contents import Contents
from certify.graph.builder import GraphError
from certify.prove.neural.containing_region import containing
from certify.prove.neural.networks_proof import NetworksProof
from certify.prove.neural.posed_networks import Around, Radius, posed_networks
from certify.prove.neural.robust_proof import robust_contents
from certify.prove.neural.robust_question import robust_question
from certify.prove.neural.training_steps import names_of
from certify.prove.no_proof import NoProof
from dgames.strategy import Strategy


def certify_networks(
    game: dg.ZeroSumNetworks,
    point: Strategy,
    radius: Radius,
    *,
    start: Strategy | None = None,
    args: Any = None,
    around: Around = "point",
    methods: Sequence[type[dg.AbstractMethod]] | None = None,
    accuracy: float = 1e-8,
) -> NeuralConvergence:
    """Proves that training converges in a zero-sum game of networks, near a trained point.

    The own curvature of each player is bounded over a ball of weights by a recursion over layers,
    which costs one pass of all data; what weight decay leaves of it is the margin of strong
    monotonicity, however strongly the networks are coupled. So networks of tens of thousands of
    weights have proofs. The theorems are in `certify/checker/neural.py` and
    `certify/checker/neural_recursion.py`.

    With a `dgames.Robust` value the second player weighs the data. Then the margin is the least of
    `decay - curvature` and of a multiple of the temperature, for all weights of the data at once,
    and the methods are `MirrorDescent` and `MirrorProx`, which take decay and temperature into
    account implicitly (`certify/checker/neural_robust.py`); `mirror_method` of the certificate
    returns them with their proved steps.

    With a `dgames.Perturbed` value the second player moves the inputs of a network. The penalty
    takes the place of the second decay, and the margin is the least of what is left of both; the
    region is a ball of all moves together, of the root of their mean square, in which a single
    input may be far away (`certify/checker/neural_perturbed.py`).

    Args:
        game: A `dgames.ZeroSumNetworks` with positive decay, and a value of one of the kinds that
            are known: `dgames.OutputValue`, `dgames.Adversarial`, `dgames.Perturbed`, or
            `dgames.Robust` with the loss `dgames.neural.logistic` or
            `dgames.neural.softmax_cross_entropy`. With inputs that move, the network (of an
            adversarial value the discriminator) is best constant at the centre: take
            `around="start"`, and a start with one hidden layer whose units cancel
            (`start="antisymmetric"` of `dgames.nn.mlp`), with low frequencies (`first_scale`).
        point: A pair of networks near the equilibrium, such as the end of a run; with a robust
            value, a network and weights of the data, and with moved inputs, a network and xi.
        radius: The radius of the ball of each network's weights (and of xi), one number or one per
            player; or "contains_start": a ball whose basin contains the start, hardly larger than
            it has to be.
        start: The initial strategies, of which is said whether training from them converges; by
            default the weights to which networks decay, if they do, and no moves of inputs.
        args: The data.
        around: Whether balls are around the point or around the start.
        methods: Classes of methods to prove steps of; by default `Extragradient` and
            `Simultaneous`, or `MirrorDescent` and `MirrorProx`.
        accuracy: How near the equilibrium training should come, for the number of steps.

    Returns:
        A certificate. "undecided" says why nothing is proved: a smaller radius, more decay or wider
        networks may help.

    Raises:
        ValueError: If the arguments do not fit together.
        EnclosureError: If nothing can be proved of the code of the function of outputs.

    Example:
        >>> import certify, jax, dgames as dg
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> nets = [dg.nn.mlp((1, 64, 1), key, start="antisymmetric") for key in keys]
        >>> data = (x := jax.numpy.linspace(-1.0, 1.0, 8)[:, None], x, x[:, 0])
        >>> start = tuple(nets)
        >>> game = dg.ZeroSumNetworks(dg.OutputValue(dg.neural.moment), start, (1.0, 1.0))
        >>> run = dg.solve(game, dg.Extragradient(0.3), start, data, tol=1e-12)
        >>> proof = certify.certify_networks(game, run.strategy, 0.5, args=data)
        >>> proof.status, proof.margin > 0.3, proof.contains_start
        ('proved', True, True)
    """
    require_x64()
    if not isinstance(accuracy, int | float) or not 0 < accuracy < float("inf"):
        raise ValueError(
            f"certify_networks: the accuracy is {accuracy!r}; it must be a positive number"
        )
    if type(game) is dg.ZeroSumNetworks and type(game.value) is dg.Robust:
        asked = robust_question(game, point, radius, start, around, methods, accuracy)
        return _certificate(lambda: robust_contents(asked, args))
    names = names_of((dg.Extragradient, dg.Simultaneous) if methods is None else methods)
    posed = posed_networks(game, point, start, radius, around)

    def contents() -> Contents:
        with ctx.workprec(PRECISION):
            proof = NetworksProof(game, posed, args)
            radii = posed.radius
            if radii is None:
                radii = containing(proof, stretched="extragradient" in names)
            return proof.contents(radii, names, accuracy)

    return _certificate(contents)


def _certificate(contents: Callable[[], Contents]) -> NeuralConvergence:
    """Returns the certificate of contents that are proved, or one that says why there are none."""
    try:
        return NeuralConvergence("proved", contents=Checked(contents()))
    except NoProof as end:
        return NeuralConvergence("undecided", end.reasons)
    except (GraphError, Unusable) as end:
        return NeuralConvergence("undecided", (str(end),))
    except OverflowError:
        reason = "bounds on the region are larger than all floating-point numbers"
        return NeuralConvergence("undecided", (reason,))
    except Rejected as end:  # by the checker's functions, which did the work
        return NeuralConvergence("undecided", tuple(f"not proved: {each}" for each in end.args))
    except NotAccepted as end:
        return NeuralConvergence(
            "undecided", tuple(f"not proved: {each}" for each in end.verdict.reasons)
        )
