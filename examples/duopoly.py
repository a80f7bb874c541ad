"""Defines a game of two firms with linear demand.

Run `certify run examples/duopoly.py -o duopoly.json`.
"""

import certify
import dgames as dg


class Duopoly(dg.Game):
    """A game of two firms: each pays for what it makes and earns a price that both influence."""

    slope: float = 1.0

    def costs(self, x, args=None):
        """Returns the costs of the firms at the quantities `x["a"]` and `x["b"]`."""
        price = 10.0 - self.slope * (x["a"] + x["b"])
        return {"a": -x["a"] * price + x["a"] ** 2, "b": -x["b"] * price + 0.5 * x["b"] ** 2}


game = Duopoly()
x0 = {"a": 2.0, "b": 2.0}
region = certify.Box.around(x0, 1.5)
methods = (dg.Simultaneous, dg.Extragradient)
