"""Games of the literature, one family per file, with what is known about them in closed form."""

from dgames.games import generalised as generalised
from dgames.games.anonymous import AnonymousGame as AnonymousGame
from dgames.games.attenuation import Attenuation as Attenuation
from dgames.games.bilinear import Bilinear as Bilinear
from dgames.games.congestion import CongestionGame as CongestionGame
from dgames.games.covariance import CovarianceEstimation as CovarianceEstimation
from dgames.games.crowds import BeachBar as BeachBar
from dgames.games.crowds import LeftRight as LeftRight
from dgames.games.crowds import RockPaperScissors as RockPaperScissors
from dgames.games.crowds import SusceptibleInfected as SusceptibleInfected
from dgames.games.cyclic_hills import CyclicHills as CyclicHills
from dgames.games.decayed_bilinear import DecayedBilinear as DecayedBilinear
from dgames.games.dirac_gan import DiracGAN as DiracGAN
from dgames.games.disc import DiscGame as DiscGame
from dgames.games.first_price_auction import FirstPriceAuction as FirstPriceAuction
from dgames.games.game_of_skill import random_game_of_skill as random_game_of_skill
from dgames.games.graphon_crowds import EpidemicCrowd as EpidemicCrowd
from dgames.games.graphon_crowds import GraphonCrowd as GraphonCrowd
from dgames.games.graphon_crowds import InvestmentCrowd as InvestmentCrowd
from dgames.games.hard_instance import HardInstance as HardInstance
from dgames.games.iterated_prisoners_dilemma import (
    IteratedPrisonersDilemma as IteratedPrisonersDilemma,
)
from dgames.games.iterated_prisoners_dilemma import (
    ProjectedIteratedPrisonersDilemma as ProjectedIteratedPrisonersDilemma,
)
from dgames.games.iterated_prisoners_dilemma import (
    SmallIteratedPrisonersDilemma as SmallIteratedPrisonersDilemma,
)
from dgames.games.kuhn_poker import kuhn_poker as kuhn_poker
from dgames.games.leduc_poker import leduc_poker as leduc_poker
from dgames.games.liars_dice import liars_dice as liars_dice
from dgames.games.markov import MarkovGame as MarkovGame
from dgames.games.matching_pennies import LogitPennies as LogitPennies
from dgames.games.matrix import MatrixGame as MatrixGame
from dgames.games.mixture import Mixture as Mixture
from dgames.games.oligopoly import Oligopoly as Oligopoly
from dgames.games.persuasion import Persuasion as Persuasion
from dgames.games.persuasion import PersuasionOptimum as PersuasionOptimum
from dgames.games.perturbed_regression import PerturbedRegression as PerturbedRegression
from dgames.games.polymatrix import PolymatrixGame as PolymatrixGame
from dgames.games.power_allocation import PowerAllocation as PowerAllocation
from dgames.games.preference import PreferenceGame as PreferenceGame
from dgames.games.quadratic import Quadratic as Quadratic
from dgames.games.random_feature_gan import RandomFeatureGAN as RandomFeatureGAN
from dgames.games.reweighted_regression import ReweightedRegression as ReweightedRegression
from dgames.games.risk_averse import RiskAverse as RiskAverse
from dgames.games.river_basin import RiverBasin as RiverBasin
from dgames.games.roads import Roads as Roads
from dgames.games.roads import RoadsInUse as RoadsInUse
from dgames.games.surfaces import Surface as Surface
from dgames.games.tandem import Tandem as Tandem
from dgames.games.terminal_crowd import TerminalCrowd as TerminalCrowd
from dgames.games.trajectory import StateRows as StateRows
from dgames.games.trajectory import Trajectory as Trajectory
from dgames.games.tree import GameTree as GameTree
from dgames.games.tree import TreeGame as TreeGame
