"""Outcomes of a run."""

import equinox as eqx


class RESULTS(eqx.Enumeration):
    """The ways in which a run of `dgames.solve` can end; print a member for its sentence."""

    successful = "The residual of the returned strategy is at most the tolerance."
    max_steps_reached = (
        "The step budget ran out before the residual reached the tolerance. Raise `max_steps` or "
        "`tol`, try a smaller step size, or a method made for rotation (Extragradient, Optimistic)."
    )
    diverged = (
        "The strategy became infinite or more than 1e12 times larger than at the start. Try a "
        "smaller step size, or a method made for rotation (Extragradient, Optimistic)."
    )
    field_not_finite = (
        "The field is not finite at a finite strategy: the one returned, or one that the last step "
        "tried. Look at the costs there (norms and roots at zero, logarithms, divisions); "
        "`dgames.check_game` names the player."
    )
    rounding_reached = (
        "The residual is at the level of rounding errors, and still above the tolerance, which is "
        "below what the floating-point type of the strategies resolves. Raise `tol`, leave it out, "
        "or use a wider type (jax_enable_x64)."
    )
