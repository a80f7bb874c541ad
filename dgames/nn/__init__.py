"""Networks whose weights are strategies: perceptrons with fixed scales, and their activations."""

from dgames.nn.activations import ACTIVATIONS as ACTIVATIONS
from dgames.nn.activations import Activation as Activation
from dgames.nn.mlp import MLP as MLP
from dgames.nn.mlp import mlp as mlp
