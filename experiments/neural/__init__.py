"""What the study of a small neural game is made of: the game, and training runs on it."""
