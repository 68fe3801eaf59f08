"""Optimizers by name: each is an `optax.GradientTransformation` whose defaults need no tuning."""
