#include "planes.hpp"

#include <algorithm>
#include <cmath>

#include "lifting.hpp"

namespace inif {
namespace {

constexpr int kRun = 16;  // most latents are zero, so some at a time are looked at

bool given(const Quarter& q) { return q.values || q.latents; }

// One row of a quarter's plane, as coefficients or samples.
void take(const Quarter& q, int p, int row, float t, float z, const Steps& steps, float* to) {
    const size_t at = (static_cast<size_t>(p) * q.height + row) * q.width;
    if (!q.down) {
        std::copy_n(q.values + at, q.width, to);
        return;
    }
    const float y = q.down[row];
    if (q.values) {
        for (int i = 0; i < q.width; i++) to[i] = q.values[at + i] / t / z / y / q.across[i];
        return;
    }
    const int32_t* from = q.latents + at;
    for (int first = 0; first < q.width; first += kRun) {
        const int last = std::min(first + kRun, q.width);
        int32_t any = 0;
        for (int i = first; i < last; i++) any |= from[i];
        if (!any) {
            std::fill(to + first, to + last, 0.0f);
            continue;
        }
        for (int i = first; i < last; i++) {
            const float size = std::fabs(static_cast<float>(from[i]));
            const float value = (size == 1 ? steps.one : size) * steps.step;
            to[i] = (from[i] < 0 ? -value : value) / t / z / y / q.across[i];
        }
    }
}

// A row of the plane, joined along X.
void row_of(const Quarter& low, const Quarter& high, int p, int row, float t, float z,
            const Steps& steps, int width, float* scratch, float* out) {
    if (!given(high)) return take(low, p, row, t, z, steps, out);
    take(low, p, row, t, z, steps, scratch);
    take(high, p, row, t, z, steps, scratch + low.width);
    join_row(scratch, scratch + low.width, out, width, 0);
}

}  // namespace

void join_plane(const Quarter q[4], int p, float t, float z, const Steps& steps, int height,
                int width, float* scratch, float* out) {
    if (!given(q[2])) {
        for (int i = 0; i < height; i++)
            row_of(q[0], q[1], p, i, t, z, steps, width, scratch,
                   out + static_cast<size_t>(i) * width);
        return;
    }
    const Joining rows(out, width, height, width, 0);
    for (int i = 0; i < rows.turns(); i++) {
        float* to = out + 2 * static_cast<size_t>(i) * width;
        if (2 * i < height) row_of(q[0], q[1], p, i, t, z, steps, width, scratch, to);
        if (2 * i + 1 < height) row_of(q[2], q[3], p, i, t, z, steps, width, scratch, to + width);
        rows.upon(i);
    }
}

}  // namespace inif
