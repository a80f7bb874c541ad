"""Fields: which way each player would move."""

from dgames.fields.convert import as_field as as_field
from dgames.fields.convert import check_field as check_field
from dgames.fields.convert import check_game as check_game
from dgames.fields.convert import check_not_costs as check_not_costs
from dgames.fields.convert import not_finite as not_finite
from dgames.fields.convert import prepared as prepared
from dgames.fields.field import AbstractField as AbstractField
from dgames.fields.field import FunctionField as FunctionField
from dgames.fields.field import own_sets as own_sets
from dgames.fields.natural_gradient import NaturalGradient as NaturalGradient
from dgames.fields.pseudo_gradient import PseudoGradient as PseudoGradient
from dgames.fields.pseudo_gradient import pseudo_gradient as pseudo_gradient
from dgames.fields.shared import AugmentedField as AugmentedField
from dgames.fields.shared import ExtendedField as ExtendedField
from dgames.fields.shared import Normalised as Normalised
from dgames.fields.shared import with_multipliers as with_multipliers
