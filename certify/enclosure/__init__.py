"""Sound interval arithmetic over jaxprs."""

from .derivatives import enclose_hessian as enclose_hessian
from .derivatives import enclose_jacobian as enclose_jacobian
from .enclose import enclose as enclose
from .interval import Interval as Interval
from .registry import EnclosureError as EnclosureError
