// Lifting along one axis, in float32 without fused operations: the same samples on every machine.
#pragma once

namespace inif {

// An array of (outer, length, inner) floats is split along its middle axis into (length + 1) / 2
// low and length / 2 high ones, or joined from them. Kinds: 0 is CDF 9/7, 1 is 5/3, 2 is Haar.
// Ends are mirrored. Nothing is scaled.
void split(const float* x, float* low, float* high, long outer, int length, long inner, int kind);
void join(const float* low, const float* high, float* x, long outer, int length, long inner,
          int kind);

// Norms of what one coefficient becomes when an axis of `length` is joined from `level` down to 0:
// for low ones (if `high` is false) or high ones of that level. Returns as many as there are.
void norms(int length, int level, bool high, int kind, float* out);

// How many low ones an axis has after so many levels.
int low_length(int length, int levels);

}  // namespace inif
