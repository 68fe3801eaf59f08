"""How the shipped network of the repair is trained, and judged on images left out."""
