"""Dynamic and differential games: linear-quadratic ones, iterative solvers, and closed forms."""

from dgames.dynamic.differential import DifferentialSolution as DifferentialSolution
from dgames.dynamic.differential import solve_differential as solve_differential
from dgames.dynamic.differential import stationary_differential as stationary_differential
from dgames.dynamic.hexner import Hexner as Hexner
from dgames.dynamic.iterative_lq import FeedbackTrajectory as FeedbackTrajectory
from dgames.dynamic.iterative_lq import OpenLoopSolution as OpenLoopSolution
from dgames.dynamic.iterative_lq import iterative_lq as iterative_lq
from dgames.dynamic.iterative_lq import open_loop_newton as open_loop_newton
from dgames.dynamic.iterative_lq import quadratic_stages as quadratic_stages
from dgames.dynamic.lq_game import LQGame as LQGame
from dgames.dynamic.lq_game import Stages as Stages
from dgames.dynamic.potential import PotentialWeights as PotentialWeights
from dgames.dynamic.potential import potential_weights as potential_weights
from dgames.dynamic.potential import with_initial_states as with_initial_states
from dgames.dynamic.pursuit import Interception as Interception
from dgames.dynamic.pursuit import SaddleThresholds as SaddleThresholds
from dgames.dynamic.pursuit import capture_time as capture_time
from dgames.dynamic.pursuit import chauffeur_barrier as chauffeur_barrier
from dgames.dynamic.pursuit import chauffeur_escape_radius as chauffeur_escape_radius
from dgames.dynamic.pursuit import interception as interception
from dgames.dynamic.pursuit import saddle_thresholds as saddle_thresholds
from dgames.dynamic.riccati import LQSolution as LQSolution
from dgames.dynamic.riccati import StationarySolution as StationarySolution
from dgames.dynamic.riccati import solve_lq as solve_lq
from dgames.dynamic.riccati import solve_stages as solve_stages
from dgames.dynamic.riccati import stationary_lq as stationary_lq
