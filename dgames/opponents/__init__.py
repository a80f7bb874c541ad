"""Play against a model of the opponent, and what it costs if the model is wrong."""

from dgames.opponents.response_frontier import OpponentResponse as OpponentResponse
from dgames.opponents.response_frontier import ResponseFrontier as ResponseFrontier
from dgames.opponents.response_frontier import response_frontier as response_frontier
from dgames.opponents.restricted_response import RestrictedResponse as RestrictedResponse
from dgames.opponents.safe_response import SafeResponse as SafeResponse
from dgames.opponents.safe_response import safe_response as safe_response
