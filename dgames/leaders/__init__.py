"""One player leads and the others answer: Stackelberg games, their fields and their equilibria."""

from dgames.fields import FollowTheRidge as FollowTheRidge
from dgames.leaders.leader_fields import SingleLoop as SingleLoop
from dgames.leaders.leader_fields import StackelbergGradient as StackelbergGradient
from dgames.leaders.leader_fields import TwoTimescale as TwoTimescale
from dgames.leaders.leader_fields import UnrolledGradient as UnrolledGradient
from dgames.leaders.stackelberg import Stackelberg as Stackelberg
from dgames.leaders.stackelberg_point import StackelbergPoint as StackelbergPoint
from dgames.leaders.stackelberg_point import stackelberg_point as stackelberg_point
from dgames.leaders.stackelberg_point import value_of_leading as value_of_leading
