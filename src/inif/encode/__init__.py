"""From an image to a file: planning, fitting, the rate, the exact budget. Needs JAX."""
