"""Hybrids: bricks of standard streams of a codec, each followed by a small repair."""
