"""How exploitable a mixture of strategies is in a continuous game, proved from both sides."""

from certify.prove.gap.exploitability_bound import ExploitabilityBound as ExploitabilityBound
from certify.prove.gap.exploitability_bound import PlayerGap as PlayerGap
from certify.prove.gap.exploitability_proof import gap as gap
