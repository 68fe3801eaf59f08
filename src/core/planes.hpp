// Planes of an image from the bands that they were split into.
#pragma once

#include <cstdint>

namespace inif {

// A band's planes of (height, width): samples as they are, coefficients, or latents of them.
// Coefficients are divided by norms, of their plane along T and Z, of their row, of their column.
struct Quarter {
    const float* values;
    const int32_t* latents;  // null where there are values
    const float *down, *across;  // null for samples
    int height, width;
};

// What latents stand for: 1 for `one` steps, others for themselves.
struct Steps {
    float step, one;
};

// Joins plane p of the quarters (low; high along X; along Y; along both; without data where the
// plane was not split that way) to (height, width) floats. t, z: the plane's norms along T and Z.
// `scratch` has a place for `width` floats.
void join_plane(const Quarter quarters[4], int p, float t, float z, const Steps& steps, int height,
                int width, float* scratch, float* out);

}  // namespace inif
