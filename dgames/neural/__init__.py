"""Zero-sum games whose players are networks: what they play for, on data, and weight decay."""

from dgames.neural.adversarial import Adversarial as Adversarial
from dgames.neural.losses import logistic as logistic
from dgames.neural.losses import softmax_cross_entropy as softmax_cross_entropy
from dgames.neural.network_value import AbstractNetworkValue as AbstractNetworkValue
from dgames.neural.network_value import OutputValue as OutputValue
from dgames.neural.network_value import moment as moment
from dgames.neural.perturbed import Perturbed as Perturbed
from dgames.neural.robust import Robust as Robust
from dgames.neural.zero_sum_networks import ZeroSumNetworks as ZeroSumNetworks
