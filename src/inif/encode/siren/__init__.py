"""Pure fields: networks fitted to bricks by JAX, and rounded to a number of bytes."""
