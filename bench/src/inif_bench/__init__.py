"""The honest benchmark: every rival at its best, on real images, at the same bytes."""
