"""Proved worst-case rates of explicit methods.

- `methods`: which scheme of the checker a method is;
- `inequalities`: what is known of the values of a field, as the checker's forms;
- `problems`: which bounds make a rate;
- `semidefinite`: programs that guess them;
- `bound`: rounding and the exact decision;
- `worst_case`: the public functions, which put these together.
"""

from certify.rates.methods import RungeKutta as RungeKutta
from certify.rates.worst_case import Rate as Rate
from certify.rates.worst_case import best_rate_step as best_rate_step
from certify.rates.worst_case import largest_rate_step as largest_rate_step
from certify.rates.worst_case import rate as rate
