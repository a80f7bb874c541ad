"""Two players on a see-saw: a game without a margin, for `certify run --monotone`.

    certify run --monotone examples/without_margin.py -o without_margin.json

What one player gains the other one loses. Each has two levers and pays for the use of the first
one only; nothing holds the second ones, so that there is no margin. The certificate bounds how
large the gradients are after k steps of anchored methods.
"""

import certify
import dgames as dg


def payoff(x, args):
    """Returns what the left player pays to the right one."""
    effort = 0.5 * x["left"][0] ** 2 - 0.5 * x["right"][0] ** 2
    return effort + x["left"][0] * x["right"][1] + x["left"][1] * (x["right"][0] + x["right"][1])


game = dg.zero_sum(payoff, minimiser="left")
region = certify.Box.around({"left": [0.0, 0.0], "right": [0.0, 0.0]}, 10.0)
methods = [dg.FastExtragradient, dg.AnchoredExtragradient, dg.Extragradient]
