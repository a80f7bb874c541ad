"""What the studies of complex momentum share: spectra in closed form, and counting evaluations."""
