"""Play in trees: behaviour in sequence form, its set and geometry, and games in extensive form."""
