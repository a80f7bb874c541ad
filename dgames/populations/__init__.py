"""Populations of strategies: what they play, how they grow, and how good they are."""

from dgames.populations.alpha_rank import alpha_rank as alpha_rank
from dgames.populations.best_response import BestResponse as BestResponse
from dgames.populations.expected_cardinality import expected_cardinality as expected_cardinality
from dgames.populations.nash_averaging import NashAverage as NashAverage
from dgames.populations.nash_averaging import nash_averaging as nash_averaging
from dgames.populations.population import Population as Population
