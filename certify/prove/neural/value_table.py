"""The table of values that have proofs."""

import dgames as dg
from certify.problem.exact_types import is_as_made
from certify.prove.neural.adversarial_proof import AdversarialProof
from certify.prove.neural.output_proof import OutputProof
from certify.prove.neural.perturbed_proof import PerturbedProof
from certify.prove.neural.value_proof import AbstractValueProof

VALUE_PROOFS: dict[type, type[AbstractValueProof]] = {
    dg.OutputValue: OutputProof,
    dg.Adversarial: AdversarialProof,
    dg.Perturbed: PerturbedProof,
}


def proof_of(value: dg.AbstractNetworkValue) -> type[AbstractValueProof]:
    """Returns the class of proofs for a value.

    Raises:
        ValueError: If there is none.
    """
    found = VALUE_PROOFS.get(type(value))
    if found is None or not is_as_made(value):
        known = ", ".join(each.__name__ for each in VALUE_PROOFS)
        raise ValueError(
            f"certify_networks: the value of the game is one of {known}; got "
            f"{type(value).__name__}, of which nothing is known here"
        )
    return found
