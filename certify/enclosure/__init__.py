"""Sound interval arithmetic over jaxprs."""

from .enclose import enclose as enclose
from .interval import Interval as Interval
from .registry import EnclosureError as EnclosureError
