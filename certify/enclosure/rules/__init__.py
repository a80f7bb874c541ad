"""Rules for primitives that are not elementary functions, one file per family."""

from certify.enclosure.rules import anchors as anchors
from certify.enclosure.rules import indices as indices
from certify.enclosure.rules import integers as integers
from certify.enclosure.rules import jumps as jumps
from certify.enclosure.rules import linear as linear
from certify.enclosure.rules import linear_systems as linear_systems
from certify.enclosure.rules import logic as logic
from certify.enclosure.rules import order as order
from certify.enclosure.rules import reductions as reductions
from certify.enclosure.rules import scatters as scatters
from certify.enclosure.rules import softmax as softmax
from certify.enclosure.rules import structural as structural
