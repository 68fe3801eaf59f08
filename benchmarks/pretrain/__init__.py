"""How the shipped start of the conditional field is trained, and judged on images left out."""
