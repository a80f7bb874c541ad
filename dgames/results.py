"""How a run ended."""

import equinox as eqx


class RESULTS(eqx.Enumeration):
    """How a run of `dgames.solve` ended; print a member for its sentence."""

    successful = "The residual of the returned strategy is at most the tolerance."
    max_steps_reached = (
        "The step budget ran out before the residual reached the tolerance. Raise `max_steps` or "
        "`tol`, try a smaller step size, or a method made for rotation (Extragradient, Optimistic)."
    )
    diverged = (
        "The strategy became non-finite or more than 1e12 times larger than at the start. Try a "
        "smaller step size, or a method made for rotation (Extragradient, Optimistic)."
    )
