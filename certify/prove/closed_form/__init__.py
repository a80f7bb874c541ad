"""Proves convergence in games whose constants are closed forms, up to millions of coordinates.

There is one file per game, with its proof in the docstring. A game is added in three steps:

1. Write a file here, like `decayed_bilinear.py`: a function under `@closed_form_bounds.register`
   for its class that returns `ClosedFormBounds`, that is, a margin (rounded down) and a Lipschitz
   constant (rounded up) with the region where they hold.
2. Import that file below, so that the function is registered.
3. Test that quotients `<F(x) - F(y), x - y> / |x - y|^2` of sampled pairs are never below the
   margin, and that the margin is that of `certify.certify` in a small instance if it has one.
"""

from certify.claims.closed_form import ClosedForm as ClosedForm
from certify.claims.closed_form import ClosedFormConstants as ClosedFormConstants
from certify.claims.closed_form import ClosedFormEquilibrium as ClosedFormEquilibrium
from certify.prove.closed_form import attenuation as attenuation
from certify.prove.closed_form import decayed_bilinear as decayed_bilinear
from certify.prove.closed_form import perturbed_regression as perturbed_regression
from certify.prove.closed_form import random_feature_gan as random_feature_gan
from certify.prove.closed_form import reweighted_regression as reweighted_regression
from certify.prove.closed_form.certify_closed_form import certify_closed_form as certify_closed_form
from certify.prove.closed_form.closed_form_bounds import ClosedFormBounds as ClosedFormBounds
from certify.prove.closed_form.closed_form_bounds import closed_form_bounds as closed_form_bounds
