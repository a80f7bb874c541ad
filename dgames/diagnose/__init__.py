"""Diagnoses of a point and of a method: residuals, Jacobians, exponents, spectra, branches."""

from dgames.diagnose.residual import natural_map as natural_map
from dgames.diagnose.residual import residual as residual
from dgames.diagnose.step_jacobian import step_jacobian as step_jacobian
from dgames.diagnose.step_jacobian import step_operator as step_operator
from dgames.diagnose.lyapunov import lyapunov_exponents as lyapunov_exponents
from dgames.diagnose.lyapunov import objective as objective
