"""Diagnoses of a point and of a method: residuals, Jacobians, exponents, spectra, branches."""

# isort: skip_file
# The order is that of the ideas: points, one step, many steps, operators, solutions.

import importlib as _importlib
import typing as _typing

from dgames.diagnose.residual import natural_map as natural_map
from dgames.diagnose.residual import residual as residual

from dgames.diagnose.step_jacobian import step_jacobian as step_jacobian

from dgames.diagnose.lyapunov import lyapunov_exponents as lyapunov_exponents
from dgames.diagnose.lyapunov_spectrum import LyapunovSpectrum as LyapunovSpectrum
from dgames.diagnose.lyapunov_spectrum import lyapunov_spectrum as lyapunov_spectrum
from dgames.diagnose.lyapunov import exponent_objective as exponent_objective
from dgames.diagnose.gradient_growth import GradientGrowth as GradientGrowth
from dgames.diagnose.gradient_growth import gradient_growth as gradient_growth

if _typing.TYPE_CHECKING:
    from dgames.diagnose.operators import step_operator as step_operator
    from dgames.diagnose.spectra import Spectra as Spectra
    from dgames.diagnose.spectra import spectra_along as spectra_along
    from dgames.diagnose.krylov import ArnoldiFactorisation as ArnoldiFactorisation
    from dgames.diagnose.krylov import arnoldi as arnoldi
    from dgames.diagnose.krylov import leading_eigenvalues as leading_eigenvalues
    from dgames.diagnose.pseudospectra import pseudospectrum as pseudospectrum

    from dgames.diagnose.branching import Branches as Branches
    from dgames.diagnose.branching import branch as branch
    from dgames.diagnose.exponent_ascent import Ascent as Ascent
    from dgames.diagnose.exponent_ascent import ascend_exponent as ascend_exponent
else:
    # What needs lineax, optax or the solver is imported when it is first used.
    _LATER = {
        name: module
        for module, names in {
            "operators": ("step_operator",),
            "spectra": ("Spectra", "spectra_along"),
            "krylov": ("ArnoldiFactorisation", "arnoldi", "leading_eigenvalues"),
            "pseudospectra": ("pseudospectrum",),
            "branching": ("Branches", "branch"),
            "exponent_ascent": ("Ascent", "ascend_exponent"),
        }.items()
        for name in names
    }

    def __getattr__(name: str) -> _typing.Any:
        if name not in _LATER:
            raise AttributeError(f"module 'dgames.diagnose' has no attribute {name!r}")
        return getattr(_importlib.import_module(f"dgames.diagnose.{_LATER[name]}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATER})
