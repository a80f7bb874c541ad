"""Defines a game of a leader and a rival, who sees what the leader does.

Run `certify run examples/leader.py -o leader.json`.
"""

import certify
import dgames as dg


def rival(y, x):
    """Returns the cost of the rival, at the quantity `y[0]`, for the leader's quantity x."""
    return (y[0] ** 2 / 2 - y[0] * (10.0 - x - y[0]),)


def leader(x, y):
    """Returns the cost of the leader."""
    return x**2 - x * (10.0 - x - y[0])


game = dg.Stackelberg(leader, dg.game(rival))
region = certify.Box.around({"leader": 2.0, "followers": (2.5,)}, 1.0)
