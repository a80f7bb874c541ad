"""Proves that learning in a game converges on a region, and writes certificates of it.

Each folder is a floor, and imports only from the floors below it. From top to bottom they are:

    command, report, prove, claims, file, search, steps, metric, jacobian, graph, rates, problem,
    enclosure, rounding, checker

Names load on first use, so that `import certify.checker` needs neither JAX nor NumPy.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

    from certify.checker import Unusable as Unusable
    from certify.checker import Verdict as Verdict
    from certify.claims.certificate import Certificate as Certificate
    from certify.claims.closed_form import ClosedForm as ClosedForm
    from certify.claims.closed_form import ClosedFormConstants as ClosedFormConstants
    from certify.claims.closed_form import ClosedFormEquilibrium as ClosedFormEquilibrium
    from certify.claims.contraction import Contraction as Contraction
    from certify.claims.convergence import Convergence as Convergence
    from certify.claims.equilibrium_count import EnclosedPoint as EnclosedPoint
    from certify.claims.equilibrium_count import EquilibriumCount as EquilibriumCount
    from certify.claims.expanding_region import Expansion as Expansion
    from certify.claims.feedback_equilibrium import FeedbackEquilibrium as FeedbackEquilibrium
    from certify.claims.instability import Instability as Instability
    from certify.claims.isolated_zero import IsolatedZero as IsolatedZero
    from certify.claims.kinds import check as check
    from certify.claims.kinds import load as load
    from certify.claims.mean_square import MeanSquare as MeanSquare
    from certify.claims.monotone_convergence import MonotoneConvergence as MonotoneConvergence
    from certify.claims.monotone_convergence import ResidualBound as ResidualBound
    from certify.claims.network_convergence import NetworkConstants as NetworkConstants
    from certify.claims.network_convergence import NetworkConvergence as NetworkConvergence
    from certify.claims.network_convergence import NetworkEquilibrium as NetworkEquilibrium
    from certify.claims.network_convergence import NetworkStep as NetworkStep
    from certify.claims.neural_convergence import NeuralConvergence as NeuralConvergence
    from certify.claims.neural_convergence import TrainedPoint as TrainedPoint
    from certify.claims.neural_convergence import Training as Training
    from certify.claims.policy_contraction import PolicyContraction as PolicyContraction
    from certify.claims.policy_convergence import PolicyConvergence as PolicyConvergence
    from certify.claims.refutation import Refutation as Refutation
    from certify.claims.stackelberg_optimum import StackelbergOptimum as StackelbergOptimum
    from certify.claims.tree_convergence import Exploitability as Exploitability
    from certify.claims.tree_convergence import TreeConvergence as TreeConvergence
    from certify.claims.tree_convergence import TreeEquilibrium as TreeEquilibrium
    from certify.claims.weight_balls import WeightBalls as WeightBalls
    from certify.enclosure import EnclosureError as EnclosureError
    from certify.enclosure import Interval as Interval
    from certify.enclosure import enclose as enclose
    from certify.enclosure import enclose_hessian as enclose_hessian
    from certify.enclosure import enclose_jacobian as enclose_jacobian
    from certify.file.save import schema as schema
    from certify.jacobian.enclosure_choice import AffineArithmetic as AffineArithmetic
    from certify.jacobian.enclosure_choice import AutoEnclosure as AutoEnclosure
    from certify.jacobian.enclosure_choice import IntervalMatrices as IntervalMatrices
    from certify.jacobian.enclosure_choice import RankOneTerms as RankOneTerms
    from certify.jacobian.enclosure_choice import Taylor as Taylor
    from certify.metric.metric_options import AutoMetric as AutoMetric
    from certify.metric.metric_options import Matrix as Matrix
    from certify.metric.metric_options import Weights as Weights
    from certify.metric.robust import RobustMetric as RobustMetric
    from certify.metric.robust import robust_metric as robust_metric
    from certify.metric.sensitivities import Sensitivities as Sensitivities
    from certify.metric.sensitivities import sensitivities as sensitivities
    from certify.metric.small_gain import SmallGain as SmallGain
    from certify.metric.small_gain import small_gain as small_gain
    from certify.metric.timescale_band import timescale_band as timescale_band
    from certify.problem.field import flat_field as flat_field
    from certify.problem.noise import Outcomes as Outcomes
    from certify.problem.noise import Sampling as Sampling
    from certify.problem.region import Ball as Ball
    from certify.problem.region import Box as Box
    from certify.problem.region import Everywhere as Everywhere
    from certify.problem.region import Policies as Policies
    from certify.prove.certify import certify as certify
    from certify.prove.closed_form import ClosedFormBounds as ClosedFormBounds
    from certify.prove.closed_form import certify_closed_form as certify_closed_form
    from certify.prove.closed_form import closed_form_bounds as closed_form_bounds
    from certify.prove.count import all_equilibria as all_equilibria
    from certify.prove.count import all_zeros as all_zeros
    from certify.prove.direct.contracting_step import contraction as contraction
    from certify.prove.direct.contracting_step import is_same_step as is_same_step
    from certify.prove.direct.largest_step import DirectStep as DirectStep
    from certify.prove.direct.largest_step import largest_step as largest_step
    from certify.prove.estimate import Estimate as Estimate
    from certify.prove.estimate import estimate as estimate
    from certify.prove.feedback_proof import certify_feedback as certify_feedback
    from certify.prove.gap import ExploitabilityBound as ExploitabilityBound
    from certify.prove.gap import PlayerGap as PlayerGap
    from certify.prove.gap import gap as gap
    from certify.prove.graphon_transfer import GraphonTransfer as GraphonTransfer
    from certify.prove.graphon_transfer import graphon_transfer as graphon_transfer
    from certify.prove.growth import grow as grow
    from certify.prove.leader import certify_leader as certify_leader
    from certify.prove.lipschitz import LipschitzBound as LipschitzBound
    from certify.prove.lipschitz import lipschitz as lipschitz
    from certify.prove.mirror_ascent import mirror_ascent as mirror_ascent
    from certify.prove.mismatch import MismatchError as MismatchError
    from certify.prove.monotone import certify_monotone as certify_monotone
    from certify.prove.network import certify_network as certify_network
    from certify.prove.network import network_constants as network_constants
    from certify.prove.neural import CenterScalars as CenterScalars
    from certify.prove.neural import NetworkBounds as NetworkBounds
    from certify.prove.neural import certify_networks as certify_networks
    from certify.prove.neural import network_bounds as network_bounds
    from certify.prove.noise import certify_mean_square as certify_mean_square
    from certify.prove.policies import certify_policies as certify_policies
    from certify.prove.quantal import QuantalPath as QuantalPath
    from certify.prove.quantal import TurningPoint as TurningPoint
    from certify.prove.quantal import quantal_path as quantal_path
    from certify.prove.trees import certify_tree as certify_tree
    from certify.prove.unstable import certify_expansion as certify_expansion
    from certify.prove.unstable import certify_instability as certify_instability
    from certify.prove.zero import certify_kkt as certify_kkt
    from certify.prove.zero import certify_stackelberg as certify_stackelberg
    from certify.prove.zero import certify_zero as certify_zero
    from certify.rates import Rate as Rate
    from certify.rates import RungeKutta as RungeKutta
    from certify.rates import best_rate_step as best_rate_step
    from certify.rates import largest_rate_step as largest_rate_step
    from certify.rates import rate as rate
    from certify.rates import worst_residual as worst_residual
    from certify.report import report_page as report_page
    from certify.search.progress import Progress as Progress
    from certify.search.search_options import Search as Search
    from certify.steps import BatchTraining as BatchTraining
    from certify.steps import BoundedNoise as BoundedNoise
    from certify.steps import GaussianNoise as GaussianNoise
    from certify.steps import StepSize as StepSize
    from certify.steps import SubGaussianNoise as SubGaussianNoise
    from certify.steps import VarianceReducedRate as VarianceReducedRate
    from certify.steps import batch_training as batch_training
    from certify.steps import noise_ball as noise_ball
    from certify.steps import noise_tail as noise_tail
    from certify.steps import staying_inside as staying_inside
    from certify.steps import variance_reduced_rate as variance_reduced_rate

# The module of each public name.
_HOMES = {
    name: home
    for home, names in {
        "checker": ("Unusable", "Verdict"),
        "claims.certificate": ("Certificate",),
        "claims.closed_form": ("ClosedForm", "ClosedFormConstants", "ClosedFormEquilibrium"),
        "claims.contraction": ("Contraction",),
        "claims.convergence": ("Convergence",),
        "claims.instability": ("Instability",),
        "claims.equilibrium_count": ("EnclosedPoint", "EquilibriumCount"),
        "claims.expanding_region": ("Expansion",),
        "claims.isolated_zero": ("IsolatedZero",),
        "claims.feedback_equilibrium": ("FeedbackEquilibrium",),
        "claims.kinds": ("check", "load"),
        "claims.mean_square": ("MeanSquare",),
        "claims.monotone_convergence": ("MonotoneConvergence", "ResidualBound"),
        "claims.network_convergence": (
            *("NetworkConstants", "NetworkConvergence", "NetworkEquilibrium", "NetworkStep"),
        ),
        "claims.neural_convergence": ("NeuralConvergence", "TrainedPoint", "Training"),
        "claims.weight_balls": ("WeightBalls",),
        "claims.policy_contraction": ("PolicyContraction",),
        "claims.policy_convergence": ("PolicyConvergence",),
        "claims.refutation": ("Refutation",),
        "claims.stackelberg_optimum": ("StackelbergOptimum",),
        "claims.tree_convergence": ("Exploitability", "TreeConvergence", "TreeEquilibrium"),
        "enclosure": (
            *("EnclosureError", "Interval", "enclose", "enclose_hessian", "enclose_jacobian"),
        ),
        "file.save": ("schema",),
        "jacobian.enclosure_choice": (
            *("AffineArithmetic", "AutoEnclosure", "IntervalMatrices", "RankOneTerms", "Taylor"),
        ),
        "metric.metric_options": ("AutoMetric", "Matrix", "Weights"),
        "metric.robust": ("RobustMetric", "robust_metric"),
        "metric.sensitivities": ("Sensitivities", "sensitivities"),
        "metric.small_gain": ("SmallGain", "small_gain"),
        "metric.timescale_band": ("timescale_band",),
        "problem.field": ("flat_field",),
        "problem.payoff_tables": ("game_terms",),
        "problem.noise": ("Outcomes", "Sampling"),
        "problem.region": ("Ball", "Box", "Everywhere", "Policies"),
        "prove.mirror_ascent": ("mirror_ascent",),
        "prove.mismatch": ("MismatchError",),
        "prove.count": ("all_equilibria", "all_zeros"),
        "prove.direct.contracting_step": ("contraction", "is_same_step"),
        "prove.direct.largest_step": ("DirectStep", "largest_step"),
        "prove.estimate": ("Estimate", "estimate"),
        "prove.gap": ("ExploitabilityBound", "PlayerGap", "gap"),
        "prove.graphon_transfer": ("GraphonTransfer", "graphon_transfer"),
        "prove.feedback_proof": ("certify_feedback",),
        "prove.growth": ("grow",),
        "prove.neural": (
            *("CenterScalars", "NetworkBounds", "certify_networks", "network_bounds"),
        ),
        "prove.noise": ("certify_mean_square",),
        "prove.leader": ("certify_leader",),
        "prove.lipschitz": ("LipschitzBound", "lipschitz"),
        "prove.certify": ("certify",),
        "prove.closed_form": ("ClosedFormBounds", "certify_closed_form", "closed_form_bounds"),
        "prove.monotone": ("certify_monotone",),
        "prove.network": ("certify_network", "network_constants"),
        "prove.policies": ("certify_policies",),
        "prove.quantal": ("QuantalPath", "TurningPoint", "quantal_path"),
        "prove.trees": ("certify_tree",),
        "prove.unstable": ("certify_expansion", "certify_instability"),
        "prove.zero": ("certify_kkt", "certify_stackelberg", "certify_zero"),
        "rates": (
            *("Rate", "RungeKutta", "best_rate_step", "largest_rate_step", "rate"),
            "worst_residual",
        ),
        "report": ("report_page",),
        "search.progress": ("Progress",),
        "search.search_options": ("Search",),
        "steps": (
            *("BoundedNoise", "GaussianNoise", "StepSize", "SubGaussianNoise", "noise_ball"),
            *("noise_tail", "staying_inside", "BatchTraining", "batch_training"),
            *("VarianceReducedRate", "variance_reduced_rate"),
        ),
    }.items()
    for name in names
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("certify.checker").__version__
    if name not in _HOMES:
        raise AttributeError(f"module 'certify' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"certify.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)
