"""Exact equilibria of finite games: all Nash equilibria, correlated ones, commitment."""

from dgames.equilibria.bimatrix import BimatrixEquilibria as BimatrixEquilibria
from dgames.equilibria.bimatrix import NashComponent as NashComponent
from dgames.equilibria.bimatrix import NashSubset as NashSubset
from dgames.equilibria.bimatrix import bimatrix_equilibria as bimatrix_equilibria
from dgames.equilibria.commitment import Commitment as Commitment
from dgames.equilibria.commitment import commitment as commitment
from dgames.equilibria.correlated import CorrelatedEquilibrium as CorrelatedEquilibrium
from dgames.equilibria.correlated import correlated_equilibrium as correlated_equilibrium
from dgames.equilibria.exact_equilibrium import ExactEquilibrium as ExactEquilibrium
from dgames.equilibria.lemke_howson import LemkeHowsonPath as LemkeHowsonPath
from dgames.equilibria.lemke_howson import lemke_howson as lemke_howson
from dgames.equilibria.rest_points import RestPoint as RestPoint
from dgames.equilibria.rest_points import RestPoints as RestPoints
from dgames.equilibria.rest_points import rest_points as rest_points
