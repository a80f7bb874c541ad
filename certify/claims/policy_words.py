"""What a certificate over all policies claims, for a terminal or a page."""

from collections.abc import Callable, Iterable

from certify.claims.policies import PolicyCertificate

Spelling = Callable[[float], str]


def in_words(
    certificate: PolicyCertificate, least: Spelling, most: Spelling
) -> list[tuple[str, str]]:
    """Each claim and what it says.

    Args:
        certificate: A proved one.
        least: Spells lower bounds.
        most: Spells upper bounds.
    """
    sizes, step = certificate.data["game"]["sizes"], certificate.step
    place = certificate.equilibrium
    return [
        ("players", f"{len(sizes)}, with {_some(map(str, sizes))} actions"),
        ("temperature", f"{certificate.temperature:.6g}"),
        ("where", "all positive policies; V = sum_i w_i KL(x*_i || x_i)"),
        ("weights w", _some(f"{w:.6g}" for w in certificate.weights.tolist())),
        (
            "margin",
            f"relatively strongly monotone with modulus at least {least(certificate.margin)}, "
            "the rate at which V decays along the mirror flow",
        ),
        ("Lipschitz constant", f"at most {most(certificate.lipschitz)}, without the regulariser"),
        (
            "steps",
            f"magnetic mirror descent with every step below {least(step.max)}; with "
            f"{least(step.best)} V shrinks by 1 / (1 + {least(step.gain)}) or more each time",
        ),
        (
            "equilibrium",
            "exactly one quantal response equilibrium, within "
            f"{most(float(place.distances.max()))} of the centre in the sum of absolute "
            "differences of each player's probabilities",
        ),
    ]


def _some(words: Iterable[str]) -> str:
    first = list(words)
    return ", ".join(first[:6] + ["..."] * (len(first) > 6))
