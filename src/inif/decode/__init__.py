"""From a file to samples: any pixel, slice, region, mask or preview, with NumPy alone."""
