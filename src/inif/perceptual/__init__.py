"""How alike two images look to a network that learned to see: LPIPS, its weights, its tuning."""
