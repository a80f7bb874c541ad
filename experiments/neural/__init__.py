"""Parts of the studies of neural games: the games, and training runs on them."""
