"""From a game and a region to a checked certificate.

Read left to right, the modules are the argument of a proof:

    region -> enclosure -> constants -> metric -> steps -> equilibrium -> certificate -> checker

Names load on first use, so that `import certify.checker` needs neither JAX nor NumPy.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str

    from certify.certificate import Certificate as Certificate
    from certify.certificate import load as load
    from certify.checker import Unusable as Unusable
    from certify.checker import Verdict as Verdict
    from certify.constants import Estimate as Estimate
    from certify.constants import estimate as estimate
    from certify.differential import MismatchError as MismatchError
    from certify.enclosure import EnclosureError as EnclosureError
    from certify.enclosure import Interval as Interval
    from certify.enclosure import enclose as enclose
    from certify.enclosure import enclose_hessian as enclose_hessian
    from certify.enclosure import enclose_jacobian as enclose_jacobian
    from certify.file import schema as schema
    from certify.growth import grow as grow
    from certify.identity import check as check
    from certify.metric.robust import RobustMetric as RobustMetric
    from certify.metric.robust import robust_metric as robust_metric
    from certify.metric.sensitivities import Sensitivities as Sensitivities
    from certify.metric.sensitivities import sensitivities as sensitivities
    from certify.metric.small_gain import SmallGain as SmallGain
    from certify.metric.small_gain import small_gain as small_gain
    from certify.metric.timescale_band import timescale_band as timescale_band
    from certify.network import NetworkConstants as NetworkConstants
    from certify.network import NetworkEquilibrium as NetworkEquilibrium
    from certify.network import NetworkProof as NetworkProof
    from certify.network import NetworkStep as NetworkStep
    from certify.network import certify_network as certify_network
    from certify.network import network_constants as network_constants
    from certify.policies import PolicyCertificate as PolicyCertificate
    from certify.policies import certify_policies as certify_policies
    from certify.policies import load_policies as load_policies
    from certify.prove import certify as certify
    from certify.rates import Rate as Rate
    from certify.rates import RungeKutta as RungeKutta
    from certify.rates import best_rate_step as best_rate_step
    from certify.rates import largest_rate_step as largest_rate_step
    from certify.rates import rate as rate
    from certify.region import Ball as Ball
    from certify.region import Box as Box
    from certify.region import Policies as Policies
    from certify.report import report_page as report_page
    from certify.steps import StepSize as StepSize
    from certify.steps import noise_ball as noise_ball
    from certify.steps.contraction import Contraction as Contraction
    from certify.steps.contraction import contraction as contraction
    from certify.steps.direct import DirectStep as DirectStep
    from certify.steps.direct import largest_step as largest_step

_HOMES = {
    "Ball": "region",
    "Box": "region",
    "Certificate": "certificate",
    "Contraction": "steps.contraction",
    "DirectStep": "steps.direct",
    "EnclosureError": "enclosure",
    "Estimate": "constants",
    "Interval": "enclosure",
    "MismatchError": "differential",
    "NetworkConstants": "network",
    "NetworkEquilibrium": "network",
    "NetworkProof": "network",
    "NetworkStep": "network",
    "PolicyCertificate": "policies",
    "Rate": "rates",
    "Policies": "region",
    "RobustMetric": "metric.robust",
    "RungeKutta": "rates",
    "Sensitivities": "metric.sensitivities",
    "SmallGain": "metric.small_gain",
    "StepSize": "steps",
    "Unusable": "checker",
    "Verdict": "checker",
    "best_rate_step": "rates",
    "certify": "prove",
    "certify_network": "network",
    "certify_policies": "policies",
    "check": "identity",
    "contraction": "steps.contraction",
    "enclose": "enclosure",
    "enclose_hessian": "enclosure",
    "enclose_jacobian": "enclosure",
    "estimate": "constants",
    "grow": "growth",
    "largest_rate_step": "rates",
    "largest_step": "steps.direct",
    "load": "certificate",
    "load_policies": "policies",
    "network_constants": "network",
    "noise_ball": "steps",
    "rate": "rates",
    "report_page": "report",
    "robust_metric": "metric.robust",
    "schema": "file",
    "sensitivities": "metric.sensitivities",
    "small_gain": "metric.small_gain",
    "timescale_band": "metric.timescale_band",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("dgames")
    if name not in _HOMES:
        raise AttributeError(f"module 'certify' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"certify.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)
