"""Logit quantal responses: the principal branch, others that meet it, and fits to data."""

from dgames.quantal.quantal_branches import QuantalBranch as QuantalBranch
from dgames.quantal.quantal_branches import QuantalBranches as QuantalBranches
from dgames.quantal.quantal_branches import QuantalMeeting as QuantalMeeting
from dgames.quantal.quantal_branches import quantal_branches as quantal_branches
from dgames.quantal.quantal_fit import PrecisionFit as PrecisionFit
from dgames.quantal.quantal_fit import fit_precision as fit_precision
from dgames.quantal.quantal_response import QuantalResponses as QuantalResponses
from dgames.quantal.quantal_response import quantal_responses as quantal_responses
