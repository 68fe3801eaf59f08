"""Fields: functions from coordinates to intensities, evaluated with NumPy alone."""
