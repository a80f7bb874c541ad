"""Parts shared by the studies of complex momentum: spectra in closed form, counted evaluations."""
