"""What a fit can be guided by besides intensities: masks that have gradients, their overlap."""


class GuidanceWarning(UserWarning):
    """A guide that has nothing to say on this image; the fit goes on without it."""
