"""Worst-case rates of explicit methods, proved.

- `schemes`: methods as linear recursions in the values of a field;
- `inequalities`: what is known of those values;
- `problems`: which bounds make a rate;
- `lmi`: semidefinite programs that guess them;
- `proof`: rounding and the exact decision;
- `worst_case`: all of it together.
"""

from certify.rates.schemes import RungeKutta as RungeKutta
from certify.rates.worst_case import Rate as Rate
from certify.rates.worst_case import best_rate_step as best_rate_step
from certify.rates.worst_case import largest_rate_step as largest_rate_step
from certify.rates.worst_case import rate as rate
