// Lifting along one axis, in float32 without fused operations: the same samples on every machine.
#pragma once

namespace inif {

// An array of (outer, length, inner) floats is split along its middle axis into (length + 1) / 2
// low and length / 2 high ones, or joined from them. Kinds: 0 is CDF 9/7, 1 is 5/3, 2 is Haar.
// Ends are mirrored. Nothing is scaled.
void split(const float* x, float* low, float* high, long outer, int length, long inner, int kind);
void join(const float* low, const float* high, float* x, long outer, int length, long inner,
          int kind);

// The same with low and high ones where they go, every second one, and for columns first ... last - 1
// of the (outer, length, inner) floats; and for one row, whose parts are changed.
void join_in_place(float* x, long outer, int length, long inner, int kind, long first, long last);
void join_row(float* low, float* high, float* x, int length, int kind);

// Joins rows, of n floats each and `stride` apart, as they come: `upon(i)` for i = 0 ... turns() - 1,
// each once rows 2 i and 2 i + 1 are there. What is done to a row follows from its neighbours only,
// so rows are still in the cache.
class Joining {
  public:
    Joining(float* rows, long stride, int length, long n, int kind)
        : rows_(rows), stride_(stride), n_(n), lows_((length + 1) / 2), highs_(length / 2),
          kind_(kind) {}
    int turns() const { return lows_ + 2; }
    void upon(int i) const;

  private:
    float* low(int i) const { return rows_ + 2 * i * stride_; }
    float* high(int i) const { return rows_ + (2 * i + 1) * stride_; }

    float* rows_;
    long stride_, n_;
    int lows_, highs_, kind_;
};

// Norms of what one coefficient becomes when an axis of `length` is joined from `level` down to 0:
// for low ones (if `high` is false) or high ones of that level. Returns as many as there are.
void norms(int length, int level, bool high, int kind, float* out);

// How many low ones an axis has after so many levels.
int low_length(int length, int levels);

}  // namespace inif
