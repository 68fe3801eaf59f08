// The last step of decoding: values to outputs in [-1, 1], or to samples.
#pragma once

#include <cstddef>
#include <cstdint>

namespace inif {

// A value v becomes (v + gain * correction) / scale * unit - 1, an output; and a sample once it is
// multiplied by `half`, `middle` is added, and it is kept within `low` and `high` and rounded, half to
// even.
struct Finish {
    float gain, scale, unit, half, middle, low, high;
};

// `added` may be null. T is float, for outputs, or an integer of up to 16 bits.
template <class T>
void finish(const float* values, const float* added, const Finish& f, size_t size, T* out);

}  // namespace inif
