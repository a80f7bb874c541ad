"""Two firms with linear demand: `certify run examples/duopoly.py -o duopoly.json`."""

import certify
import dgames as dg


class Duopoly(dg.Game):
    """Each firm pays for what it makes and earns the price that both of them set."""

    slope: float = 1.0

    def costs(self, x, args=None):
        """Costs of the firms at the quantities `x["a"]` and `x["b"]`."""
        price = 10.0 - self.slope * (x["a"] + x["b"])
        return {"a": -x["a"] * price + x["a"] ** 2, "b": -x["b"] * price + 0.5 * x["b"] ** 2}


game = Duopoly()
x0 = {"a": 2.0, "b": 2.0}
region = certify.Box.around(x0, 1.5)
methods = (dg.Simultaneous, dg.Extragradient)
