"""Proved worst-case rates of explicit methods.

- `methods` turns a method into a scheme of the checker;
- `inequalities` holds what is known of the values of a field, as forms of the checker;
- `problems` states the bounds that make up a rate;
- `semidefinite` solves the programs that guess these bounds;
- `bound` rounds a guess and decides exactly whether it is proved;
- `worst_case` has the public functions, which put these together;
- `residuals` has one for a few steps along fields without a margin.
"""

from certify.rates.methods import RungeKutta as RungeKutta
from certify.rates.residuals import worst_residual as worst_residual
from certify.rates.worst_case import Rate as Rate
from certify.rates.worst_case import best_rate_step as best_rate_step
from certify.rates.worst_case import largest_rate_step as largest_rate_step
from certify.rates.worst_case import rate as rate
