"""Point it at a photo and ask what it is.

>>> import whatsit
>>> model = whatsit.Model()                                   # whatsit-nano, which the package carries
>>> head = whatsit.Head.from_labels(model, ["cat", "dog"])
>>> head(["photo.jpg"])[0][0].label                           # the best answer of the first photo
'dog'
"""
from ._core import Answer, Caption, Describer, Head, Index, Model, WhatsitError, shipped_lists, version

__all__ = ["Answer", "Caption", "Describer", "Head", "Index", "Model", "WhatsitError", "shipped_lists", "version"]
__version__ = version()
