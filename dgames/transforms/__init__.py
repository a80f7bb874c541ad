"""Momentum and extrapolation for games, and limits of norms, as plain optax transformations.

Everything here is an ordinary `optax.GradientTransformationExtraArgs`: it goes wherever an optax
optimiser goes (`optax.chain`, `optax.partition`, `optax.MultiSteps`, `optax.inject_hyperparams`,
any training loop). To play a game with it, hand it the pseudo-gradient in place of a gradient:
every player then descends its own cost. In a zero-sum training loop that computes one gradient for
both players, negate the maximiser's block first, for example with `optax.partition` and
`optax.scale(-1.0)`.

Optimistic Adam is in optax: `optax.optimistic_adam_v2(h, nesterov=False)` follows Algorithm 1 of
Daskalakis, Ilyas, Syrgkanis and Zeng (*Training GANs with Optimism*, ICLR 2018, arXiv:1711.00141)
except that it begins with one step in place of two. By default it has Nesterov momentum as well,
which the paper has not.
"""

from dgames.transforms.capped_muon import MUON_NORM as MUON_NORM
from dgames.transforms.capped_muon import capped_muon as capped_muon
from dgames.transforms.complex_momenta import (
    ScaleByComplexAdamState as ScaleByComplexAdamState,
)
from dgames.transforms.complex_momenta import (
    ScaleByComplexMomentumState as ScaleByComplexMomentumState,
)
from dgames.transforms.complex_momenta import complex_adam as complex_adam
from dgames.transforms.complex_momenta import complex_momentum as complex_momentum
from dgames.transforms.complex_momenta import scale_by_complex_adam as scale_by_complex_adam
from dgames.transforms.complex_momenta import (
    scale_by_complex_momentum as scale_by_complex_momentum,
)
from dgames.transforms.extrapolation import ExtragradientState as ExtragradientState
from dgames.transforms.extrapolation import extra_adam as extra_adam
from dgames.transforms.extrapolation import extragradient as extragradient
from dgames.transforms.norm_limits import clip_by_spectral_norm as clip_by_spectral_norm
from dgames.transforms.norm_limits import keep_spectral_norm as keep_spectral_norm
from dgames.transforms.soft_cap import SoftCapState as SoftCapState
from dgames.transforms.soft_cap import soft_cap as soft_cap
