"""Games of the literature, one family per file, with what is known about them in closed form."""

from dgames.games.bilinear import Bilinear as Bilinear
from dgames.games.congestion import CongestionGame as CongestionGame
from dgames.games.dirac_gan import DiracGAN as DiracGAN
from dgames.games.markov import MarkovGame as MarkovGame
from dgames.games.matrix import MatrixGame as MatrixGame
from dgames.games.oligopoly import Oligopoly as Oligopoly
from dgames.games.polymatrix import PolymatrixGame as PolymatrixGame
from dgames.games.preference import PreferenceGame as PreferenceGame
from dgames.games.quadratic import Quadratic as Quadratic
from dgames.games.trajectory import StateRows as StateRows
from dgames.games.trajectory import Trajectory as Trajectory
