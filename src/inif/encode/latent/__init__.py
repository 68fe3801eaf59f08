"""Latent fields: bricks of quantised grids, within a size, a quality, or a bound of every error."""
