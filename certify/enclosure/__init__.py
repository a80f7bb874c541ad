"""Sound interval arithmetic over jaxprs."""

from certify.enclosure.derivatives import enclose_hessian as enclose_hessian
from certify.enclosure.derivatives import enclose_jacobian as enclose_jacobian
from certify.enclosure.enclose import enclose as enclose
from certify.enclosure.interval import Interval as Interval
from certify.enclosure.registry import EnclosureError as EnclosureError
