"""Networks whose weights are strategies: perceptrons, and layers with a Lipschitz constant."""

# Perceptrons with fixed scales
from dgames.nn.activations import ACTIVATIONS as ACTIVATIONS
from dgames.nn.activations import Activation as Activation
from dgames.nn.aol import AOL as AOL
from dgames.nn.cayley import Cayley as Cayley
from dgames.nn.ldl import LDL as LDL

# Layers and networks whose Lipschitz constant is a theorem
from dgames.nn.lipschitz_layer import AbstractAffineLayer as AbstractAffineLayer
from dgames.nn.lipschitz_layer import AbstractLipschitzLayer as AbstractLipschitzLayer
from dgames.nn.lipschitz_network import LipschitzNetwork as LipschitzNetwork
from dgames.nn.mlp import MLP as MLP
from dgames.nn.mlp import mlp as mlp

# Networks that read games
from dgames.nn.normal_form_network import NormalFormNetwork as NormalFormNetwork
from dgames.nn.sandwich import Sandwich as Sandwich
from dgames.nn.sll import SLL as SLL
from dgames.nn.spectral_norm import spectral_norm_bound as spectral_norm_bound
from dgames.nn.spectral_normalised import SpectralNormalised as SpectralNormalised
