"""What a fit can be guided by besides intensities: masks that have gradients, their overlap."""

from inif.errors import RemarkWarning


class GuidanceWarning(RemarkWarning):
    """A guide that has nothing to say on this image; the fit goes on without it."""
