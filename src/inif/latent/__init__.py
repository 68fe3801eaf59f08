"""The latent field: an image as quantised grids of several resolutions, with a linear synthesis.

`plan` says which grids there are, `transform` goes from samples to coefficients and back, `stream`
codes latents, and the compiled `_core` does the loops of all three. Arrays have axes C, T, Z, Y, X.
"""
