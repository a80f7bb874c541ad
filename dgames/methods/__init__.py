"""Methods: how to step along a field."""

import importlib as _importlib
import typing as _typing

from dgames.methods.accelerated_optimistic import (
    AcceleratedOptimistic as AcceleratedOptimistic,
)
from dgames.methods.accelerated_optimistic import NesterovOptimistic as NesterovOptimistic
from dgames.methods.alternating import Alternating as Alternating
from dgames.methods.anchored import AnchoredExtragradient as AnchoredExtragradient
from dgames.methods.anchored import FastExtragradient as FastExtragradient
from dgames.methods.averaged import Averaged as Averaged
from dgames.methods.competitive_adam import CompetitiveAdam as CompetitiveAdam
from dgames.methods.counterfactual_regret import CounterfactualRegret as CounterfactualRegret
from dgames.methods.counterfactual_regret import RegretState as RegretState
from dgames.methods.counterfactual_regret import cfr as cfr
from dgames.methods.counterfactual_regret import cfr_plus as cfr_plus
from dgames.methods.counterfactual_regret import discounted_cfr as discounted_cfr
from dgames.methods.counterfactual_regret import linear_cfr as linear_cfr
from dgames.methods.counterfactual_regret import predictive_cfr_plus as predictive_cfr_plus
from dgames.methods.dual_averaging import (
    AdaptiveOptimisticDualAveraging as AdaptiveOptimisticDualAveraging,
)
from dgames.methods.dual_averaging import OptimisticDualAveraging as OptimisticDualAveraging
from dgames.methods.extragradient import Extragradient as Extragradient
from dgames.methods.fictitious_play import FictitiousPlay as FictitiousPlay
from dgames.methods.halpern import Halpern as Halpern
from dgames.methods.k_beam import KBeam as KBeam
from dgames.methods.loopless import VarianceReduced as VarianceReduced
from dgames.methods.loopless import (
    VarianceReducedExtragradient as VarianceReducedExtragradient,
)
from dgames.methods.method import AbstractMethod as AbstractMethod
from dgames.methods.method import method_name as method_name
from dgames.methods.mirror import AbstractMirrorMethod as AbstractMirrorMethod
from dgames.methods.mirror import Magnet as Magnet
from dgames.methods.mirror import MirrorDescent as MirrorDescent
from dgames.methods.mirror import MirrorProx as MirrorProx
from dgames.methods.mirror import NashMD as NashMD
from dgames.methods.mirror import OptimisticMirrorDescent as OptimisticMirrorDescent
from dgames.methods.momentum import ComplexMomentum as ComplexMomentum
from dgames.methods.momentum import Momentum as Momentum
from dgames.methods.moving_anchor import MovingAnchor as MovingAnchor
from dgames.methods.optimistic import Optimistic as Optimistic
from dgames.methods.optimistic_separated import OptimisticSeparated as OptimisticSeparated
from dgames.methods.policies import egpo as egpo
from dgames.methods.policies import inpo as inpo
from dgames.methods.policies import magnetic_mirror_descent as magnetic_mirror_descent
from dgames.methods.policies import (
    magnetic_preference_optimisation as magnetic_preference_optimisation,
)
from dgames.methods.policies import multiplicative_weights as multiplicative_weights
from dgames.methods.policies import nash_md as nash_md
from dgames.methods.policies import nash_mirror_prox as nash_mirror_prox
from dgames.methods.primal_dual import PrimalDual as PrimalDual
from dgames.methods.runge_kutta import SSPRK3 as SSPRK3
from dgames.methods.runge_kutta import Heun as Heun
from dgames.methods.runge_kutta import RungeKutta4 as RungeKutta4
from dgames.methods.schedules import PowerDecay as PowerDecay
from dgames.methods.simultaneous import Simultaneous as Simultaneous
from dgames.methods.variance_reduced import VarianceReducedHalpern as VarianceReducedHalpern
from dgames.methods.variance_reduced import (
    VarianceReducedInexactHalpern as VarianceReducedInexactHalpern,
)

if _typing.TYPE_CHECKING:
    from dgames.methods.optax import Optax as Optax
else:

    def __getattr__(name: str) -> _typing.Any:
        # To import optax takes a while, and few runs need it.
        if name != "Optax":
            raise AttributeError(f"module 'dgames.methods' has no attribute {name!r}")
        return _importlib.import_module("dgames.methods.optax").Optax


def __dir__() -> list[str]:
    return sorted({*globals(), "Optax"})
