"""The procedure of Small-Gain Nash, in NumPy, from its published description.

Curvatures and couplings are *sampled*: the Jacobian of the game is looked at in a finite list of
points, usually the corners of a cube, in the metric of each of them. What comes out is an
**estimate**. Between the points the constants may be worse (`tests/benchmarks` has a cube where
they are), so neither the margin nor the step is proved.

1. In each point, with metrics `M_i` of the players (Fisher matrices, or identities):
   `mu_i = lambda_min(M_i^{-1/2} sym(J_ii) M_i^{-1/2})` and `L_ij = |M_i^{-1/2} J_ij M_j^{-1/2}|`.
2. The least `mu_i` and the largest `L_ij` over all points.
3. The ratio of weights `r = w_2 / w_1` on a logarithmic grid of 200 with the largest margin, the
   least eigenvalue of the matrix with diagonal `mu_i` and off-diagonal
   `-(L_12 / sqrt(r) + L_21 sqrt(r)) / 2`.
4. The largest norm `beta` of the Jacobian in the weighted metric over the points, and the step
   `2 margin / beta^2`.

Softmax policies have more logits than degrees of freedom. As published, Fisher eigenvalues are
clamped from below at 1e-6 and curvatures within 1e-5 of zero are left out.

References:
    Sharma, *Small-Gain Nash: Certified Contraction to Nash Equilibria in Differentiable Games*,
    2025, arXiv:2512.06791.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

CLAMP = 1e-6
NEGLIGIBLE = 1e-5
RATIOS = np.logspace(-2.0, 2.0, 200)

# The Markov game: two players, states and actions; both are paid for a match.
REWARD = np.broadcast_to(np.array([[1.0, -1.0], [-1.0, 1.0]]), (2, 2, 2))
SECOND = np.broadcast_to(np.array([[0.1, 0.5], [0.5, 0.9]]), (2, 2, 2))
TRANSITIONS = np.stack([1.0 - SECOND, SECOND], -1)
START = np.array([1.0, 0.0])
DISCOUNT = 0.9


@dataclass(frozen=True)
class Procedure:
    """What the procedure reports: an estimate, which bounds nothing.

    Attributes:
        curvature: The least curvature of each player over the points.
        coupling: The largest coupling to the other player over the points, of each player.
        margin: The margin for these constants with the best ratio of the grid.
        ratio: That ratio, the second player's weight over the first's.
        lipschitz: The largest weighted norm of the Jacobian over the points.
        step: `2 margin / lipschitz^2`, or 0 without a positive margin.
        points: How many points were looked at.
    """

    curvature: tuple[float, float]
    coupling: tuple[float, float]
    margin: float
    ratio: float
    lipschitz: float
    step: float
    points: int


def procedure(
    jacobians: Float[np.ndarray, "points n n"],
    metrics: tuple[Float[np.ndarray, "points n1 n1"], Float[np.ndarray, "points n2 n2"]],
    ratios: Float[np.ndarray, " grid"] = RATIOS,
    negligible: float = NEGLIGIBLE,
) -> Procedure:
    """Runs all four steps on the Jacobians of a two-player game in a list of points.

    Args:
        jacobians: Derivatives of the gradients of the players' own costs.
        metrics: The players' metrics in the same points, symmetric; singular ones are clamped.
        ratios: The ratios of weights to try.
        negligible: Curvatures up to this size are left out; 0 keeps all but exact zeros.
    """
    split = metrics[0].shape[-1]
    roots = [inverse_root(metric) for metric in metrics]
    parts = (slice(None, split), slice(split, None))
    scaled = np.empty_like(jacobians)
    for i, j in itertools.product(range(2), repeat=2):
        scaled[:, parts[i], parts[j]] = roots[i] @ jacobians[:, parts[i], parts[j]] @ roots[j]
    curvature = [least_curvature(scaled[:, part, part], negligible) for part in parts]
    coupling = [norms(scaled[:, parts[i], parts[1 - i]]).max() for i in range(2)]
    margins = [margin(curvature, coupling, ratio) for ratio in ratios]
    best = int(np.argmax(margins))
    weight = np.ones(jacobians.shape[-1])
    weight[split:] = np.sqrt(ratios[best])
    lipschitz = norms(weight[:, None] * scaled / weight).max()
    return Procedure(
        curvature=(float(curvature[0]), float(curvature[1])),
        coupling=(float(coupling[0]), float(coupling[1])),
        margin=float(margins[best]),
        ratio=float(ratios[best]),
        lipschitz=float(lipschitz),
        step=float(2.0 * max(margins[best], 0.0) / lipschitz**2),
        points=len(jacobians),
    )


def inverse_root(metric: Float[np.ndarray, "points n n"]) -> Float[np.ndarray, "points n n"]:
    """The inverse square root of each metric, with eigenvalues clamped at `CLAMP`."""
    values, vectors = np.linalg.eigh(metric)
    return (vectors / np.sqrt(np.maximum(values, CLAMP))[:, None]) @ vectors.swapaxes(-1, -2)


def least_curvature(blocks: Float[np.ndarray, "points n n"], negligible: float) -> float:
    """The least eigenvalue of all symmetric parts that is not negligible; 0 if all are."""
    values = np.linalg.eigvalsh(0.5 * (blocks + blocks.swapaxes(-1, -2)))
    kept = values[np.abs(values) > negligible]
    return float(kept.min()) if kept.size else 0.0


def norms(matrices: Float[np.ndarray, "points m n"]) -> Float[np.ndarray, " points"]:
    """Spectral norms."""
    return np.linalg.norm(matrices, 2, axis=(-2, -1))


def margin(curvature, coupling, ratio: float) -> float:
    """The margin of two players for bounds on curvature and coupling, with weights `(1, ratio)`.

    >>> round(margin((1.0, 1.0), (10.0, 0.05), 200.0), 6)
    0.292893
    """
    cross = 0.5 * (coupling[0] / np.sqrt(ratio) + coupling[1] * np.sqrt(ratio))
    mean, half = 0.5 * (curvature[0] + curvature[1]), 0.5 * (curvature[0] - curvature[1])
    return float(mean - np.hypot(half, cross))


def corners(center: Float[np.ndarray, " n"], radius: float) -> Float[np.ndarray, "points n"]:
    """All corners of a cube."""
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(center))))
    return center + radius * signs


def markov(
    points: Float[np.ndarray, "points 8"], temperature: float = 1.0, ratios=RATIOS
) -> Procedure:
    """The procedure on the paper's Markov game, in the Fisher metric of softmax policies.

    Args:
        points: Logits in the order (player, state, action).
        temperature: The weight of the entropy, which is summed over states.
        ratios: The ratios of weights to try.

    >>> found = markov(corners(np.zeros(8), 0.1))
    >>> f"{found.margin:.7f} {found.step:.7f}"
    '0.3334352 0.2699163'
    """
    hessian = markov_hessian(points, temperature)
    fishers = fisher(policies(points))
    return procedure(hessian, (fishers[:, 0], fishers[:, 1]), ratios)


def markov_everywhere(center: Float[np.ndarray, " 8"], radius: float) -> Procedure:
    """The procedure on the corners of a cube of logits, as published."""
    return markov(corners(center, radius))


def lq(strength: float, size: int = 32, ratios=None, seed: int = 12345) -> Procedure:
    """The procedure on the paper's linear-quadratic game, whose Jacobian is the same everywhere.

    Args:
        strength: How strongly the players are coupled, the paper's lambda.
        size: The number of coordinates of each player.
        ratios: The ratios of weights to try; by default 200 of them, from 1 to 10^4.
        seed: Of the orthogonal matrix.
    """
    grid = np.logspace(0.0, 4.0, 200) if ratios is None else ratios
    identity = np.eye(size)[None]
    return procedure(lq_jacobian(strength, size, seed)[None], (identity, identity), grid, 0.0)


def lq_jacobian(strength: float, size: int = 32, seed: int = 12345) -> Float[np.ndarray, "n n"]:
    """`[[I, 10 s R], [0.05 s R^T, I]]` with an orthogonal `R`."""
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((size, size)))[0]
    identity = np.eye(size)
    return np.block(
        [[identity, 10.0 * strength * rotation], [0.05 * strength * rotation.T, identity]]
    )


def policies(points: Float[np.ndarray, "points 8"]) -> Float[np.ndarray, "points 2 2 2"]:
    """Softmax policies, with axes (point, player, state, action)."""
    logits = points.reshape(-1, 2, 2, 2)
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


def fisher(p: Float[np.ndarray, "points 2 2 2"]) -> Float[np.ndarray, "points 2 4 4"]:
    """Fisher matrices of both players in their logits: a block for each state."""
    blocks = p[..., :, None] * (np.eye(2) - p[..., None, :])
    return np.einsum("nisab,st->nisatb", blocks, np.eye(2)).reshape(-1, 2, 4, 4)


def markov_hessian(
    points: Float[np.ndarray, "points 8"], temperature: float
) -> Float[np.ndarray, "points 8 8"]:
    """The Jacobian of the pseudo-gradient of the Markov game in logits.

    Both players' costs are minus the normalised discounted value, which they share, minus their
    own entropy. With `A = I - discount P` and values `v = A^{-1} r`, derivatives along logits k
    and l are `v_k = A^{-1} (r_k + discount P_k v)` and
    `v_kl = A^{-1} (r_kl + discount (P_kl v + P_k v_l + P_l v_k))`.
    """
    p = policies(points)
    first, second = policy_derivatives(p)
    # Rewards and transitions together, as one table: the last axis is (next states, reward).
    table = np.concatenate([DISCOUNT * TRANSITIONS, REWARD[..., None]], -1)
    at = "nsa,nsb,sabt->nst"
    rows = np.einsum(at, p[:, 0], p[:, 1], table)
    ones = [
        np.einsum("nksa,nsb,sabt->nkst", first[:, 0], p[:, 1], table),
        np.einsum("nsa,nksb,sabt->nkst", p[:, 0], first[:, 1], table),
    ]
    twos = np.empty((len(p), 8, 8, 2, 3))
    twos[:, :4, :4] = np.einsum("nklsa,nsb,sabt->nklst", second[:, 0], p[:, 1], table)
    twos[:, 4:, 4:] = np.einsum("nsa,nklsb,sabt->nklst", p[:, 0], second[:, 1], table)
    mixed = np.einsum("nksa,nlsb,sabt->nklst", first[:, 0], first[:, 1], table)
    twos[:, :4, 4:], twos[:, 4:, :4] = mixed, mixed.swapaxes(1, 2)
    inverse = np.linalg.inv(np.eye(2) - rows[..., :2])
    values = np.einsum("nst,nt->ns", inverse, rows[..., 2])
    changes = np.concatenate(ones, 1)
    slopes = np.einsum(
        "nst,nkt->nks",
        inverse,
        changes[..., 2] + np.einsum("nkst,nt->nks", changes[..., :2], values),
    )
    crossed = np.einsum("nkst,nlt->nkls", changes[..., :2], slopes)
    sources = twos[..., 2] + np.einsum("nklst,nt->nkls", twos[..., :2], values)
    sources = sources + crossed + crossed.swapaxes(1, 2)
    occupancy = (1.0 - DISCOUNT) * np.einsum("s,nst->nt", START, inverse)
    hessian = -np.einsum("ns,nkls->nkl", occupancy, sources)
    entropy = temperature * negative_entropy_hessian(p)
    hessian[:, :4, :4] += entropy[:, 0]
    hessian[:, 4:, 4:] += entropy[:, 1]
    return hessian


def policy_derivatives(
    p: Float[np.ndarray, "points 2 2 2"],
) -> tuple[Float[np.ndarray, "points 2 4 2 2"], Float[np.ndarray, "points 2 4 4 2 2"]]:
    """First and second derivatives of policies in logits, with axes (logits, state, action)."""
    eye = np.eye(2)
    centred = eye - p[..., None, :]  # of action a along logit b: [a, b], times p_a
    once = p[..., :, None] * centred
    twice = p[..., :, None, None] * (
        centred[..., :, :, None] * centred[..., :, None, :] - once[..., None, :, :]
    )
    first = np.einsum("nisab,st->nitbsa", once, eye).reshape(-1, 2, 4, 2, 2)
    second = np.einsum("nisabc,st,su->nitbucsa", twice, eye, eye).reshape(-1, 2, 4, 4, 2, 2)
    return first, second


def negative_entropy_hessian(
    p: Float[np.ndarray, "points 2 2 2"],
) -> Float[np.ndarray, "points 2 4 4"]:
    """Second derivatives in logits of `sum p log p`, summed over states, for each player."""
    excess = np.log(p) - np.sum(p * np.log(p), -1, keepdims=True)
    weighted = p * (1.0 + excess)
    diagonal = weighted[..., :, None] * np.eye(2)
    outer = p[..., :, None] * p[..., None, :]
    blocks = diagonal - outer * (1.0 + excess[..., :, None] + excess[..., None, :])
    return np.einsum("nisab,st->nisatb", blocks, np.eye(2)).reshape(-1, 2, 4, 4)
