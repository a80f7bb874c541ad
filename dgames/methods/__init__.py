"""Methods: how to step along a field."""

from dgames.methods.alternating import Alternating as Alternating
from dgames.methods.base import AbstractMethod as AbstractMethod
from dgames.methods.base import method_name as method_name
from dgames.methods.extragradient import Extragradient as Extragradient
from dgames.methods.momentum import ComplexMomentum as ComplexMomentum
from dgames.methods.momentum import Momentum as Momentum
from dgames.methods.optax import Optax as Optax
from dgames.methods.optimistic import Optimistic as Optimistic
from dgames.methods.runge_kutta import SSPRK3 as SSPRK3
from dgames.methods.runge_kutta import Heun as Heun
from dgames.methods.runge_kutta import RungeKutta4 as RungeKutta4
from dgames.methods.simultaneous import Simultaneous as Simultaneous
