"""Defines Kuhn's poker with a pull towards mixed play: three cards, one chip, two players.

Run `certify run examples/kuhn.py -o kuhn.json`: it proves that magnetic mirror descent converges
from all play, and encloses where to, what is lost there, and the value of the game.
"""

import dgames as dg

game = dg.RegularisedTree(dg.games.kuhn_poker().game(), temperature=0.1)
