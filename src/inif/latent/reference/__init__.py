"""What `_core` does, in plain Python and NumPy: the same streams, latents and samples, bit for bit.

It is here to be read and to be tested against, and takes a thousand times longer. `Model`,
`Stream` and what belongs to lifting can stand in the place of those of `_core`.
"""

from inif.latent.reference.coding import Stream
from inif.latent.reference.finish import finish
from inif.latent.reference.lifting import join, join_in_place, join_planes, norms, split
from inif.latent.reference.mixing import Model

__all__ = ["Model", "Stream", "finish", "join", "join_in_place", "join_planes", "norms", "split"]
