"""What a fit can be guided by besides intensities: masks that have gradients, their overlap."""
