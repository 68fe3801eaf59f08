#include "lifting.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace inif {
namespace {

constexpr float kA = -1.586134342059924f, kB = -0.052980118572961f, kC = 0.882911075530934f,
                kD = 0.443506852043971f;  // Daubechies and Sweldens 1998, section 7.5
constexpr long kTile = 1024;              // floats of a row that are lifted together

// high[i] += k (low[i] + low[i + 1])
void predict(const float* low, float* high, int lows, int highs, long n, float k) {
    for (int i = 0; i < highs; i++) {
        const float *a = low + i * n, *b = i + 1 < lows ? a + n : a;
        float* to = high + i * n;
        for (long j = 0; j < n; j++) to[j] += k * (a[j] + b[j]);
    }
}

// low[i] += k (high[i - 1] + high[i])
void update(float* low, const float* high, int lows, int highs, long n, float k) {
    for (int i = 0; i < lows; i++) {
        const float* b = high + std::min(i, highs - 1) * n;
        const float* a = i > 0 ? high + (i - 1) * n : b;
        float* to = low + i * n;
        for (long j = 0; j < n; j++) to[j] += k * (a[j] + b[j]);
    }
}

void forward(float* low, float* high, int lows, int highs, long n, int kind) {
    if (highs < 1) return;
    if (kind == 0) {
        predict(low, high, lows, highs, n, kA);
        update(low, high, lows, highs, n, kB);
        predict(low, high, lows, highs, n, kC);
        update(low, high, lows, highs, n, kD);
    } else if (kind == 1) {
        predict(low, high, lows, highs, n, -0.5f);
        update(low, high, lows, highs, n, 0.25f);
    } else {
        for (long i = 0; i < highs * n; i++) {
            high[i] -= low[i];
            low[i] += 0.5f * high[i];
        }
    }
}

// One step of rows of n numbers: to += k (a + b).
inline void step(const float* a, const float* b, float* to, long n, float k) {
    for (long j = 0; j < n; j++) to[j] += k * (a[j] + b[j]);
}

// Rows are lifted some at a time, transposed, so that the innermost loop runs over rows.
constexpr long kRows = 16;

}  // namespace

int low_length(int length, int levels) {
    for (int l = 0; l < levels; l++) length = (length + 1) / 2;
    return length;
}

void split(const float* x, float* low, float* high, long outer, int length, long inner, int kind) {
    const int lows = (length + 1) / 2, highs = length / 2;
    const long rows = std::min(outer, kRows), tile = inner == 1 ? rows : std::min(inner, kTile);
    std::vector<float> even(lows * tile), odd(std::max(highs, 1) * tile);
    if (inner == 1) {
        for (long first = 0; first < outer; first += rows) {
            const int n = static_cast<int>(std::min(rows, outer - first));
            for (int k = 0; k < n; k++) {
                const float* from = x + (first + k) * length;
                for (int i = 0; i < lows; i++) even[i * rows + k] = from[2 * i];
                for (int i = 0; i < highs; i++) odd[i * rows + k] = from[2 * i + 1];
            }
            forward(even.data(), odd.data(), lows, highs, rows, kind);
            for (int k = 0; k < n; k++) {
                for (int i = 0; i < lows; i++) low[(first + k) * lows + i] = even[i * rows + k];
                for (int i = 0; i < highs; i++) high[(first + k) * highs + i] = odd[i * rows + k];
            }
        }
        return;
    }
    for (long o = 0; o < outer; o++)
        for (long at = 0; at < inner; at += tile) {
            const long n = std::min(tile, inner - at);
            const float* from = x + o * length * inner + at;
            for (int i = 0; i < lows; i++)
                std::memcpy(&even[i * n], from + 2 * i * inner, n * sizeof(float));
            for (int i = 0; i < highs; i++)
                std::memcpy(&odd[i * n], from + (2 * i + 1) * inner, n * sizeof(float));
            forward(even.data(), odd.data(), lows, highs, n, kind);
            for (int i = 0; i < lows; i++)
                std::memcpy(low + (o * lows + i) * inner + at, &even[i * n], n * sizeof(float));
            for (int i = 0; i < highs; i++)
                std::memcpy(high + (o * highs + i) * inner + at, &odd[i * n], n * sizeof(float));
        }
}

void Joining::upon(int i) const {
    const auto update = [this](int at, float k) {
        if (at < 0 || at >= lows_) return;
        const float* after = high(std::min(at, highs_ - 1));
        step(at > 0 ? high(at - 1) : after, after, low(at), n_, k);
    };
    const auto predict = [this](int at, float k) {
        if (at < 0 || at >= highs_) return;
        step(low(at), low(std::min(at + 1, lows_ - 1)), high(at), n_, k);
    };
    if (highs_ < 1) return;
    if (kind_ == 0) {
        update(i, -kD);
        predict(i - 1, -kC);
        update(i - 1, -kB);
        predict(i - 2, -kA);
    } else if (kind_ == 1) {
        update(i, -0.25f);
        predict(i - 1, 0.5f);
    } else if (i < highs_) {
        float *a = low(i), *b = high(i);
        for (long j = 0; j < n_; j++) {
            a[j] -= 0.5f * b[j];
            b[j] += a[j];
        }
    }
}

void join_in_place(float* x, long outer, int length, long inner, int kind, long first, long last) {
    for (long o = 0; o < outer; o++)
        for (long at = first; at < last; at += kTile) {
            const Joining rows(x + o * length * inner + at, inner, length,
                               std::min(kTile, last - at), kind);
            for (int i = 0; i < rows.turns(); i++) rows.upon(i);
        }
}

void join_row(float* low, float* high, float* x, int length, int kind) {
    const int lows = (length + 1) / 2, highs = length / 2;
    if (highs > 0) {
        // All inner ones at once, the last and the first apart.
        const auto update = [&](float k) {
            low[0] += k * (high[0] + high[0]);
            step(high, high + 1, low + 1, highs - 1, k);
            if (lows > highs) low[lows - 1] += k * (high[highs - 1] + high[highs - 1]);
        };
        const auto predict = [&](float k) {
            step(low, low + 1, high, lows - 1, k);
            if (lows == highs) high[highs - 1] += k * (low[lows - 1] + low[lows - 1]);
        };
        if (kind == 0) {
            update(-kD);
            predict(-kC);
            update(-kB);
            predict(-kA);
        } else if (kind == 1) {
            update(-0.25f);
            predict(0.5f);
        } else {
            for (int j = 0; j < highs; j++) {
                low[j] -= 0.5f * high[j];
                high[j] += low[j];
            }
        }
    }
    for (int j = 0; j < highs; j++) {
        x[2 * j] = low[j];
        x[2 * j + 1] = high[j];
    }
    if (lows > highs) x[length - 1] = low[lows - 1];
}

void join(const float* low, const float* high, float* x, long outer, int length, long inner,
          int kind) {
    const int lows = (length + 1) / 2, highs = length / 2;
    if (inner == 1) {
        std::vector<float> own(length);
        for (long o = 0; o < outer; o++) {
            std::copy_n(low + o * lows, lows, own.begin());
            std::copy_n(high + o * highs, highs, own.begin() + lows);
            join_row(own.data(), own.data() + lows, x + o * length, length, kind);
        }
        return;
    }
    for (long o = 0; o < outer; o++)
        for (int i = 0; i < length; i++)
            std::copy_n((i % 2 ? high + (o * highs + i / 2) * inner : low + (o * lows + i / 2) * inner),
                        inner, x + (o * length + i) * inner);
    join_in_place(x, outer, length, inner, kind, 0, inner);
}

namespace {

// Norms of an axis of any length, all at once.
std::vector<float> norms_at_once(int length, int level, bool high, int kind) {
    const int above = low_length(length, level);
    const int n = high ? above / 2 : (above + 1) / 2;
    std::vector<float> now(static_cast<size_t>(n) * n, 0.0f), next, out(n);
    for (int i = 0; i < n; i++) now[static_cast<size_t>(i) * n + i] = 1;
    for (int l = level; l >= 0; l--) {
        const int size = low_length(length, l);
        const bool here = high && l == level;
        const std::vector<float> none(
            static_cast<size_t>(std::max(here ? (size + 1) / 2 : size / 2, 1)) * n, 0.0f);
        next.resize(static_cast<size_t>(size) * n);
        join(here ? none.data() : now.data(), here ? now.data() : none.data(), next.data(), 1, size,
             n, kind);
        now.swap(next);
    }
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int k = 0; k < length; k++) {
            const double v = now[static_cast<size_t>(k) * n + i];
            sum += v * v;
        }
        out[i] = static_cast<float>(std::sqrt(sum));
    }
    return out;
}

}  // namespace

// Far from the ends all norms are the same, so a shorter axis with the same ends is looked at.
void norms(int length, int level, bool high, int kind, float* out) {
    constexpr int kEnd = 16, kEnough = 3 * kEnd;
    const int period = 2 << level;
    const int left_out = std::max(length / period - kEnough, 0);
    const auto some = norms_at_once(length - left_out * period, level, high, kind);
    out = std::copy_n(some.begin(), std::min<size_t>(kEnd, some.size()), out);
    if (some.size() <= kEnd) return;
    out = std::fill_n(out, left_out, some[kEnd]);
    std::copy(some.begin() + kEnd, some.end(), out);
}

}  // namespace inif
