"""Parts of the study of a small neural game: the game, and training runs on it."""
