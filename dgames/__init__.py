"""Differentiable games in JAX, and the dynamics that run on them."""

# isort: skip_file
# The order is that of the ideas: strategies, games, fields, methods, runs, diagnoses. What needs
# optax, diffrax, optimistix or lineax is imported when it is first used (see `_LATER`).

import importlib as _importlib
import sys as _sys
import types as _types
import typing as _typing

# Joint strategies and the sets they live in
from dgames.strategy import as_strategy as as_strategy
from dgames.strategy import blocks as blocks
from dgames.strategy import check_strategy as check_strategy
from dgames.strategy import dimensions as dimensions
from dgames.strategy import join as join
from dgames.strategy import player_names as player_names
from dgames.strategy import ravel as ravel
from dgames.stacked import Stacked as Stacked
from dgames.stacked import stack as stack
from dgames.sets import AbstractSet as AbstractSet
from dgames.sets import Ball as Ball
from dgames.sets import Balls as Balls
from dgames.sets import Box as Box
from dgames.sets import Euclidean as Euclidean
from dgames.sets import Product as Product
from dgames.sets import Simplex as Simplex
from dgames.sets import player_sets as player_sets
from dgames.constraints.shared_constraints import Polyhedron as Polyhedron
from dgames.constraints.shared_constraints import SharedConstraint as SharedConstraint

# Games
from dgames.game import Game as Game
from dgames.game import ZeroSum as ZeroSum
from dgames.game import game as game
from dgames.game import zero_sum as zero_sum
from dgames.network import NetworkGame as NetworkGame
from dgames.network import neighbour_lists as neighbour_lists

# Networks as strategies, and zero-sum games of them
from dgames import neural as neural
from dgames import nn as nn
from dgames.neural import AbstractNetworkValue as AbstractNetworkValue
from dgames.neural import Adversarial as Adversarial
from dgames.neural import OutputValue as OutputValue
from dgames.neural import Perturbed as Perturbed
from dgames.neural import Robust as Robust
from dgames.neural import ZeroSumNetworks as ZeroSumNetworks

# Games on simplices: probabilities, their logits, regularisation
from dgames.logits import AbstractGauge as AbstractGauge
from dgames.logits import LogitDifferences as LogitDifferences
from dgames.logits import TangentBasis as TangentBasis
from dgames.logits import log_policies as log_policies
from dgames.logits import logits as logits
from dgames.logits import policies as policies
from dgames.policy_game import InLogits as InLogits
from dgames.policy_game import MultilinearGame as MultilinearGame
from dgames.policy_game import PolicyGame as PolicyGame
from dgames.policy_game import Regularised as Regularised

# Mirror maps: the geometry in which strategies move
from dgames.mirror_map import AbstractMirrorMap as AbstractMirrorMap
from dgames.mirror_map import EntropyMirror as EntropyMirror
from dgames.mirror_map import EuclideanMirror as EuclideanMirror
from dgames.mirror_map import Pull as Pull
from dgames.mirror_map import divergence as divergence

# Trees: strategies in sequence form, their set and geometry, and games in extensive form
from dgames.trees.treeplex import Treeplex as Treeplex
from dgames.trees.dilated_entropy import DilatedEntropy as DilatedEntropy
from dgames.trees.regularised_tree import RegularisedTree as RegularisedTree
from dgames.trees.extensive_form import Chance as Chance
from dgames.trees.extensive_form import Decision as Decision
from dgames.trees.extensive_form import ExtensiveForm as ExtensiveForm
from dgames.trees.extensive_form import Leaf as Leaf

# Fields: which way each player would move
from dgames.fields import AbstractField as AbstractField
from dgames.fields import FunctionField as FunctionField
from dgames.fields import NaturalGradient as NaturalGradient
from dgames.fields import PseudoGradient as PseudoGradient
from dgames.fields import Replicator as Replicator
from dgames.fields import as_field as as_field
from dgames.fields import check_game as check_game
from dgames.fields import pseudo_gradient as pseudo_gradient
from dgames.fields import AugmentedField as AugmentedField
from dgames.fields import ExtendedField as ExtendedField
from dgames.fields import Normalised as Normalised
from dgames.fields import with_multipliers as with_multipliers

# Fields adjusted by their derivatives
from dgames.fields import AbstractAdjustedField as AbstractAdjustedField
from dgames.fields import Competitive as Competitive
from dgames.fields import Consensus as Consensus
from dgames.fields import FollowTheRidge as FollowTheRidge
from dgames.fields import Hamiltonian as Hamiltonian
from dgames.fields import LOLA as LOLA
from dgames.fields import LookAhead as LookAhead
from dgames.fields import Rescaled as Rescaled
from dgames.fields import StableOpponentShaping as StableOpponentShaping
from dgames.fields import SymplecticAdjusted as SymplecticAdjusted
from dgames.fields import SymplecticSurgery as SymplecticSurgery

if _typing.TYPE_CHECKING:
    from dgames.jacobian import jacobian_blocks as jacobian_blocks
    from dgames.jacobian import jacobian_operator as jacobian_operator

# Averages over data, and batches of the data
from dgames.finite_sum import Batches as Batches
from dgames.finite_sum import FiniteSum as FiniteSum
from dgames.finite_sum import FiniteSumField as FiniteSumField
from dgames.finite_sum import Sampled as Sampled

# Crowds of negligible players, and the games of N players with their data
from dgames.crowds.mean_field import MeanFieldGame as MeanFieldGame
from dgames.crowds.regularised_mean_field import RegularisedMeanField as RegularisedMeanField
from dgames.crowds.finite_population import FinitePopulation as FinitePopulation

# Graphons: the limits of dense networks
from dgames.crowds.graphons import AbstractGraphon as AbstractGraphon
from dgames.crowds.graphons import BlockGraphon as BlockGraphon
from dgames.crowds.graphons import ErdosRenyi as ErdosRenyi
from dgames.crowds.graphons import MinMaxGraphon as MinMaxGraphon
from dgames.crowds.graphons import RankedAttachment as RankedAttachment
from dgames.crowds.graphons import UniformAttachment as UniformAttachment
from dgames.crowds.graphons import bonacich as bonacich
from dgames.crowds.graphons import linear_quadratic_network as linear_quadratic_network
from dgames.crowds.graphons import midpoints as midpoints

# Methods: how to step along a field
from dgames import methods as methods
from dgames.methods import AbstractMethod as AbstractMethod
from dgames.methods import AcceleratedOptimistic as AcceleratedOptimistic
from dgames.methods import AdaptiveOptimisticDualAveraging as AdaptiveOptimisticDualAveraging
from dgames.methods import Alternating as Alternating
from dgames.methods import AnchoredExtragradient as AnchoredExtragradient
from dgames.methods import Averaged as Averaged
from dgames.methods import CompetitiveAdam as CompetitiveAdam
from dgames.methods import ComplexMomentum as ComplexMomentum
from dgames.methods import CounterfactualRegret as CounterfactualRegret
from dgames.methods import Extragradient as Extragradient
from dgames.methods import FastExtragradient as FastExtragradient
from dgames.methods import FictitiousPlay as FictitiousPlay
from dgames.methods import Halpern as Halpern
from dgames.methods import Heun as Heun
from dgames.methods import KBeam as KBeam
from dgames.methods import Magnet as Magnet
from dgames.methods import MirrorDescent as MirrorDescent
from dgames.methods import MirrorProx as MirrorProx
from dgames.methods import Momentum as Momentum
from dgames.methods import MovingAnchor as MovingAnchor
from dgames.methods import NashMD as NashMD
from dgames.methods import NesterovOptimistic as NesterovOptimistic

if _typing.TYPE_CHECKING:
    from dgames.methods import Optax as Optax
from dgames.methods import Optimistic as Optimistic
from dgames.methods import OptimisticDualAveraging as OptimisticDualAveraging
from dgames.methods import OptimisticMirrorDescent as OptimisticMirrorDescent
from dgames.methods import OptimisticSeparated as OptimisticSeparated
from dgames.methods import PowerDecay as PowerDecay
from dgames.methods import PrimalDual as PrimalDual
from dgames.methods import RungeKutta4 as RungeKutta4
from dgames.methods import Simultaneous as Simultaneous
from dgames.methods import SSPRK3 as SSPRK3
from dgames.methods import VarianceReduced as VarianceReduced
from dgames.methods import VarianceReducedExtragradient as VarianceReducedExtragradient
from dgames.methods import VarianceReducedHalpern as VarianceReducedHalpern
from dgames.methods import VarianceReducedInexactHalpern as VarianceReducedInexactHalpern
from dgames.methods import method_name as method_name

# Momenta of games as plain optax transformations
if _typing.TYPE_CHECKING:
    from dgames import transforms as transforms

# Runs: in steps, in continuous time, inside optimistix
if _typing.TYPE_CHECKING:
    from dgames.flow import Trajectory as Trajectory
    from dgames.flow import flow as flow
from dgames.history import History as History
from dgames.iteration import Iterates as Iterates
from dgames.iteration import iterate as iterate
from dgames.results import RESULTS as RESULTS
from dgames.stepwise import Stepwise as Stepwise

if _typing.TYPE_CHECKING:
    from dgames.constraints.deviation import Deviations as Deviations
    from dgames.constraints.deviation import deviations as deviations
    from dgames.constraints.feasibility import FeasiblePoint as FeasiblePoint
    from dgames.constraints.feasibility import InfeasibilityProof as InfeasibilityProof
    from dgames.constraints.feasibility import InfeasibleError as InfeasibleError
    from dgames.constraints.feasibility import feasible_point as feasible_point
    from dgames.constraints.kkt import KKTPoint as KKTPoint
    from dgames.constraints.kkt import kkt_residual as kkt_residual
    from dgames.constraints.kkt import solve_kkt as solve_kkt
    from dgames.root_finder import MethodRootFinder as MethodRootFinder
    from dgames.root_finder import as_root_finder as as_root_finder
    from dgames.solution import Solution as Solution
    from dgames.solve import solve as solve

# Diagnoses of a point and of a method
from dgames import diagnose as diagnose
from dgames.diagnose import natural_map as natural_map
from dgames.diagnose import residual as residual
from dgames.diagnose import step_jacobian as step_jacobian
from dgames.regret import regret as regret
from dgames.tangent_residual import gap_bound as gap_bound
from dgames.tangent_residual import tangent_residual as tangent_residual
from dgames.second_moment import second_moment_operator as second_moment_operator
from dgames.second_moment import second_moment_radius as second_moment_radius

# A leader and followers
if _typing.TYPE_CHECKING:
    from dgames.leaders import SingleLoop as SingleLoop
    from dgames.leaders import Stackelberg as Stackelberg
    from dgames.leaders import StackelbergGradient as StackelbergGradient
    from dgames.leaders import StackelbergPoint as StackelbergPoint
    from dgames.leaders import TwoTimescale as TwoTimescale
    from dgames.leaders import UnrolledGradient as UnrolledGradient
    from dgames.leaders import stackelberg_point as stackelberg_point
    from dgames.leaders import value_of_leading as value_of_leading

# Diagnoses for games on simplices
from dgames.exploitability import best_response_costs as best_response_costs
from dgames.exploitability import exploitability as exploitability
from dgames.exploitability import kl_divergence as kl_divergence
from dgames.exploitability import nash_gap as nash_gap
from dgames.exploitability import nash_gaps as nash_gaps
from dgames.exploitability import quantal_response_residual as quantal_response_residual

from dgames.nash_loss import estimated_nash_loss as estimated_nash_loss
from dgames.nash_loss import nash_loss as nash_loss
from dgames.nash_loss import nash_loss_bound as nash_loss_bound
from dgames.nash_loss import sample_profile as sample_profile
from dgames.quantal import QuantalBranch as QuantalBranch
from dgames.quantal import QuantalBranches as QuantalBranches
from dgames.quantal import QuantalMeeting as QuantalMeeting
from dgames.quantal import quantal_branches as quantal_branches
from dgames.quantal import PrecisionFit as PrecisionFit
from dgames.quantal import fit_precision as fit_precision
from dgames.quantal import QuantalResponses as QuantalResponses
from dgames.quantal import quantal_responses as quantal_responses

# Populations of strategies
if _typing.TYPE_CHECKING:
    from dgames.populations import BestResponse as BestResponse
    from dgames.populations import NashAverage as NashAverage
    from dgames.populations import Population as Population
    from dgames.populations import alpha_rank as alpha_rank
    from dgames.populations import expected_cardinality as expected_cardinality
    from dgames.populations import nash_averaging as nash_averaging

# Equilibria of finite games in exact arithmetic
if _typing.TYPE_CHECKING:
    from dgames.equilibria import BimatrixEquilibria as BimatrixEquilibria
    from dgames.equilibria import Commitment as Commitment
    from dgames.equilibria import CorrelatedEquilibrium as CorrelatedEquilibrium
    from dgames.equilibria import ExactEquilibrium as ExactEquilibrium
    from dgames.equilibria import LemkeHowsonPath as LemkeHowsonPath
    from dgames.equilibria import NashComponent as NashComponent
    from dgames.equilibria import NashSubset as NashSubset
    from dgames.equilibria import RestPoint as RestPoint
    from dgames.equilibria import RestPoints as RestPoints
    from dgames.equilibria import bimatrix_equilibria as bimatrix_equilibria
    from dgames.equilibria import commitment as commitment
    from dgames.equilibria import correlated_equilibrium as correlated_equilibrium
    from dgames.equilibria import lemke_howson as lemke_howson
    from dgames.equilibria import rest_points as rest_points

# Play against a model of the opponent
if _typing.TYPE_CHECKING:
    from dgames.opponents import OpponentResponse as OpponentResponse
    from dgames.opponents import ResponseFrontier as ResponseFrontier
    from dgames.opponents import RestrictedResponse as RestrictedResponse
    from dgames.opponents import SafeResponse as SafeResponse
    from dgames.opponents import response_frontier as response_frontier
    from dgames.opponents import safe_response as safe_response

# Games read from other formats and packages
from dgames.trees.efg import read_efg as read_efg
from dgames.trees.efg import write_efg as write_efg
from dgames.nfg import NormalForm as NormalForm
from dgames.nfg import read_nfg as read_nfg
from dgames.nfg import write_nfg as write_nfg
from dgames.openspiel import from_openspiel as from_openspiel

# Games of the literature, and figures (matplotlib is imported by the first figure)
from dgames import games as games
from dgames import dynamic as dynamic
from dgames import plot as plot

from importlib.metadata import version as _version

__version__ = _version("dgames")

# The modules that are imported later, and what they are imported for.
_LATER = {
    name: module
    for module, names in {
        "jacobian": ("jacobian_blocks", "jacobian_operator"),
        "leaders": (
            "SingleLoop",
            "Stackelberg",
            "StackelbergGradient",
            "StackelbergPoint",
            "TwoTimescale",
            "UnrolledGradient",
            "stackelberg_point",
            "value_of_leading",
        ),
        "equilibria": (
            "BimatrixEquilibria",
            "Commitment",
            "CorrelatedEquilibrium",
            "ExactEquilibrium",
            "LemkeHowsonPath",
            "NashComponent",
            "NashSubset",
            "RestPoint",
            "RestPoints",
            "bimatrix_equilibria",
            "commitment",
            "correlated_equilibrium",
            "lemke_howson",
            "rest_points",
        ),
        "opponents": (
            "OpponentResponse",
            "ResponseFrontier",
            "RestrictedResponse",
            "SafeResponse",
            "response_frontier",
            "safe_response",
        ),
        "methods.optax": ("Optax",),
        "transforms": ("transforms",),
        "flow": ("Trajectory", "flow"),
        "constraints.deviation": ("Deviations", "deviations"),
        "constraints.feasibility": (
            "FeasiblePoint",
            "InfeasibilityProof",
            "InfeasibleError",
            "feasible_point",
        ),
        "constraints.kkt": ("KKTPoint", "kkt_residual", "solve_kkt"),
        "populations": (
            "BestResponse",
            "NashAverage",
            "Population",
            "alpha_rank",
            "expected_cardinality",
            "nash_averaging",
        ),
        "root_finder": ("MethodRootFinder", "as_root_finder"),
        "solution": ("Solution",),
        "solve": ("solve",),
    }.items()
    for name in names
}


class _Package(_types.ModuleType):
    """The package, in which `solve` and `flow` are functions though modules are called so too.

    Python sets a module that is imported, by anyone and at any time, as an attribute of its
    package.
    """

    def __setattr__(self, name: str, value: _typing.Any) -> None:
        if name in ("solve", "flow") and isinstance(value, _types.ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package

if not _typing.TYPE_CHECKING:  # or else every name would seem to exist

    def __getattr__(name: str) -> _typing.Any:
        if name not in _LATER:
            raise AttributeError(f"module 'dgames' has no attribute {name!r}")
        module = _importlib.import_module(f"dgames.{_LATER[name]}")
        value = module if name == _LATER[name] == "transforms" else getattr(module, name)
        setattr(_sys.modules[__name__], name, value)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
