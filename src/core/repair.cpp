#include "repair.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include "compiler.hpp"

#ifdef INIF_WITH_AVX2
#include <immintrin.h>
#endif

namespace inif {
namespace {

constexpr int N = kRepairLanes, S = kRepairSide;
constexpr int kMargin = 1;           // blocks around a plane
constexpr int kBand = 8;             // rows of blocks that are worked on at once
constexpr float kParts = 64;         // of a step
constexpr int kMeanShift = 4;        // log2(S * S)
constexpr float kMostSample = 1 << 26;
constexpr int kMostDifference = 2800;
constexpr int kMostInput = 625;      // compressed(kMostDifference)
constexpr int kMostActivation = 8191;
constexpr int kShift = 12;           // of the products
constexpr int kOutParts = 256;       // of a step
constexpr int kQuiet = 24;           // blocks without larger inputs stay as they are

// Samples of the block and 2 around it, means of the 8 blocks around, and in the planes beside
// samples of the block and 1 around it.
constexpr int kAround = 2, kAroundBeside = 1;
constexpr int square(int n) { return n * n; }
constexpr int inputs_of(bool stack) {
    return square(S + 2 * kAround) + 8 + (stack ? 2 * square(S + 2 * kAroundBeside) : 0);
}

// Samples of some rows as integers, by their column in the block, and the means of blocks.
struct Rows {
    std::vector<int32_t> column[S], mean;
};

// A row of samples; `to` are the places of its first block.
INIF_EVERY_PROCESSOR
void to_integers(const float* row, int width, int blocks, float scale, int32_t* whole,
                 int32_t* const to[S]) {
    for (int x = 0; x < width; x++) {
        float v = row[x] * scale;
        v = v < kMostSample ? v : kMostSample;
        v = v > -kMostSample ? v : -kMostSample;
        whole[x] = static_cast<int32_t>(v + (v < 0 ? -0.5f : 0.5f));
    }
    for (int x = width; x < S * blocks; x++) whole[x] = whole[width - 1];
    for (int b = 0; b < blocks; b++)
        for (int j = 0; j < S; j++) to[j][b] = whole[S * b + j];
    for (int j = 0; j < S; j++)
        for (int b = 1; b <= kMargin; b++) {
            to[j][-b] = whole[0];
            to[j][blocks - 1 + b] = whole[S * blocks - 1];
        }
}

// Means of blocks, of the first of their rows in each of the columns.
INIF_EVERY_PROCESSOR
void average(const Rows& rows, size_t first, int stride, int32_t* mean) {
    for (int i = 0; i < stride; i++) {
        int32_t sum = S * S / 2;
        for (int y = 0; y < S; y++)
            for (int j = 0; j < S; j++) sum += rows.column[j][first + y * stride + i];
        mean[i] = sum >> kMeanShift;
    }
}

INIF_EVERY_PROCESSOR
void subtract(const int32_t* a, const int32_t* mean, int16_t* to) {
    for (int i = 0; i < N; i++) {
        const int32_t d = a[i] - mean[i];
        to[i] = static_cast<int16_t>(std::min(std::max(d, -kMostDifference), kMostDifference));
    }
}

// Large differences count less: about log(1 + 4 h) / 2 of h steps, in parts of 1/256.
INIF_EVERY_PROCESSOR
void compress(int16_t* x, int inputs, int16_t* most) {
    int16_t largest[N] = {};
    for (int k = 0; k < inputs; k++)
        for (int i = 0; i < N; i++) {
            const int16_t v = x[k * N + i];
            const int16_t a = static_cast<int16_t>(v < 0 ? -v : v);
            const auto up_to = [a](int16_t end) { return a < end ? a : end; };
            const int16_t f = static_cast<int16_t>(
                4 * up_to(8) + 2 * up_to(32) + up_to(80) + (up_to(176) >> 1) + (up_to(368) >> 2) +
                (up_to(752) >> 3) + (a >> 4));
            largest[i] = std::max(largest[i], f);
            x[k * N + i] = static_cast<int16_t>(v < 0 ? -f : f);
        }
    std::copy_n(largest, N, most);
}

INIF_EVERY_PROCESSOR
void pair_up(const int16_t* x, int pairs, int32_t* to) {
    for (int p = 0; p < pairs; p++)
        for (int i = 0; i < N; i++)
            to[p * N + i] = static_cast<uint16_t>(x[2 * p * N + i]) |
                            static_cast<int32_t>(static_cast<uint32_t>(x[(2 * p + 1) * N + i]) << 16);
}

using Sums = void (*)(const Layer&, const int32_t*, int32_t*);

// Weighted sums of pairs of inputs (pairs, N): (outputs, N).
void sums_plain(const Layer& layer, const int32_t* x, int32_t* out) {
    for (int o = 0; o < layer.outputs; o++) {
        int32_t sum[N];
        std::fill_n(sum, N, layer.bias[o]);
        for (int p = 0; p < layer.pairs; p++) {
            const int32_t w = layer.weights[static_cast<size_t>(o) * layer.pairs + p];
            const int32_t w0 = static_cast<int16_t>(w), w1 = w >> 16;
            for (int i = 0; i < N; i++) {
                const int32_t v = x[p * N + i];
                sum[i] += w0 * static_cast<int16_t>(v) + w1 * (v >> 16);
            }
        }
        std::copy_n(sum, N, out + o * N);
    }
}

#ifdef INIF_WITH_AVX2
__attribute__((target("avx2"))) void sums_avx2(const Layer& layer, const int32_t* x,
                                               int32_t* out) {
    static_assert(N == 16, "two registers of eight");
    const int pairs = layer.pairs;
    for (int o = 0; o < layer.outputs; o += 4) {
        __m256i sum[4][2];
        for (int j = 0; j < 4; j++) sum[j][0] = sum[j][1] = _mm256_set1_epi32(layer.bias[o + j]);
        const int32_t* w = layer.weights.data() + static_cast<size_t>(o) * pairs;
        for (int p = 0; p < pairs; p++) {
            const __m256i* at = reinterpret_cast<const __m256i*>(x + p * N);
            const __m256i a = _mm256_loadu_si256(at), b = _mm256_loadu_si256(at + 1);
            for (int j = 0; j < 4; j++) {
                const __m256i v = _mm256_set1_epi32(w[j * pairs + p]);
                sum[j][0] = _mm256_add_epi32(sum[j][0], _mm256_madd_epi16(a, v));
                sum[j][1] = _mm256_add_epi32(sum[j][1], _mm256_madd_epi16(b, v));
            }
        }
        for (int j = 0; j < 4; j++) {
            __m256i* to = reinterpret_cast<__m256i*>(out + (o + j) * N);
            _mm256_storeu_si256(to, sum[j][0]);
            _mm256_storeu_si256(to + 1, sum[j][1]);
        }
    }
}
#endif

Sums sums_of_this_machine() {
#ifdef INIF_WITH_AVX2
    if (__builtin_cpu_supports("avx2")) return sums_avx2;
#endif
    return sums_plain;
}

// What is above zero of two outputs each, as pairs of inputs of the next layer.
INIF_EVERY_PROCESSOR
void activate(const int32_t* sums, int outputs, int32_t* to) {
    for (int p = 0; p < outputs / 2; p++)
        for (int i = 0; i < N; i++) {
            const int32_t a = sums[2 * p * N + i] >> kShift, b = sums[(2 * p + 1) * N + i] >> kShift;
            to[p * N + i] = std::min(std::max(a, 0), kMostActivation) |
                            (std::min(std::max(b, 0), kMostActivation) << 16);
        }
}

// The repair of some rows of one stack.
class Strip {
  public:
    Strip(const float* stack, int depth, int height, int width, float step, const RepairNet& net,
         int top, int bottom, float* out)
        : x_(stack), depth_(depth), height_(height), width_(width), blocks_((width + S - 1) / S),
          row_((blocks_ + N - 1) / N * N + 2 * kMargin), top_(top), bottom_(bottom),
          scale_(kParts / step), unit_(step / kOutParts), net_(net), out_(out),
          whole_(S * blocks_) {}

    void plane(int d) {
        const Rows& own = rows(d);
        const Rows* beside[2] = {&own, &own};
        if (net_.stack && depth_ > 1) {
            beside[0] = &rows(d ? d - 1 : 1);
            beside[1] = &rows(d + 1 < depth_ ? d + 1 : depth_ - 2);
        }
        const Sums sums = sums_of_this_machine();
        for (int y = top_; y < bottom_; y += S)
            for (int b = 0; b < blocks_; b += N) blocks(d, y, b, own, beside, sums);
    }

  private:
    // The rows of a plane that this strip looks at; three planes are kept.
    const Rows& rows(int d) {
        Rows& r = kept_[d % 3];
        if (held_[d % 3] == d) return r;
        held_[d % 3] = d;
        const int above = top_ / S - kMargin, count = (bottom_ - top_ + S - 1) / S + 2 * kMargin;
        for (auto& column : r.column) column.resize(static_cast<size_t>(S * count) * row_);
        r.mean.resize(static_cast<size_t>(count) * row_);
        for (int i = 0; i < S * count; i++) {
            const int y = std::min(std::max(S * above + i, 0), height_ - 1);
            int32_t* to[S];
            for (int j = 0; j < S; j++)
                to[j] = &r.column[j][static_cast<size_t>(i) * row_ + kMargin];
            to_integers(x_ + (static_cast<size_t>(d) * height_ + y) * width_, width_, blocks_,
                        scale_, whole_.data(), to);
        }
        for (int i = 0; i < count; i++)
            average(r, static_cast<size_t>(S * i) * row_, row_,
                    &r.mean[static_cast<size_t>(i) * row_]);
        return r;
    }

    void blocks(int d, int y, int b, const Rows& own, const Rows* const beside[2], Sums sums) {
        int16_t x[inputs_of(true) * N], most[N];
        int32_t pairs[inputs_of(true) / 2 * N], out[kRepairHidden * N];
        const int i = (y - top_) / S + kMargin, place = b + kMargin;
        const auto at = [&](int row) { return static_cast<size_t>(row) * row_ + place; };
        const int32_t* mean = &own.mean[at(i)];
        int16_t* to = x;
        const auto take = [&](const Rows& from, int around) {
            for (int dy = -around; dy < S + around; dy++)
                for (int dx = -around; dx < S + around; dx++, to += N) {
                    const int block = dx < 0 ? -1 : dx / S;
                    subtract(&from.column[dx - S * block][at(S * i + dy) + block], mean, to);
                }
        };
        take(own, kAround);
        for (int dy = -1; dy <= 1; dy++)
            for (int dx = -1; dx <= 1; dx++)
                if (dy || dx) {
                    subtract(&own.mean[at(i + dy) + dx], mean, to);
                    to += N;
                }
        if (net_.stack)
            for (int k = 0; k < 2; k++) take(*beside[k], kAroundBeside);
        compress(x, inputs_of(net_.stack), most);
        const int count = std::min(N, blocks_ - b);
        bool quiet = true;
        for (int k = 0; k < count; k++) quiet = quiet && most[k] <= kQuiet;
        if (quiet) {
            std::fill_n(out, kRepairOut * N, 0);
        } else {
            pair_up(x, inputs_of(net_.stack) / 2, pairs);
            for (const Layer& layer : net_.layers) {
                sums(layer, pairs, out);
                activate(out, layer.outputs, pairs);
            }
        }
        const int right = std::min(S * N, width_ - S * b);
        for (int dy = 0; dy < S && y + dy < bottom_; dy++) {
            float* row = out_ + (static_cast<size_t>(d) * height_ + y + dy) * width_ + S * b;
            for (int k = 0; k < right; k++) {
                const int32_t v = out[(S * dy + k % S) * N + k / S] >> kShift;
                row[k] = most[k / S] > kQuiet ? static_cast<float>(v) * unit_ : 0.0f;
            }
        }
    }

    const float* x_;
    int depth_, height_, width_, blocks_, row_, top_, bottom_;
    float scale_, unit_;
    const RepairNet& net_;
    float* out_;
    Rows kept_[3];
    int held_[3] = {-1, -1, -1};
    std::vector<int32_t> whole_;
};

int32_t number(const uint8_t* p, int bytes) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++) v |= static_cast<uint32_t>(p[i]) << (8 * i);
    return bytes == 2 ? static_cast<int16_t>(v) : static_cast<int32_t>(v);
}

}  // namespace

size_t RepairNet::bytes(bool stack) {
    const int n = inputs_of(stack), h = kRepairHidden, s = kRepairSecond, o = kRepairOut;
    return 2 * static_cast<size_t>(n * h + h * s + s * o) + 4 * static_cast<size_t>(h + s + o);
}

RepairNet::RepairNet(const uint8_t* data, size_t size) {
    if (size != bytes(false) && size != bytes(true))
        throw std::invalid_argument("a network of repair of another size");
    stack = size == bytes(true);
    const int sizes[] = {inputs_of(stack), kRepairHidden, kRepairSecond, kRepairOut};
    for (int l = 0; l < 3; l++) {
        Layer& layer = layers[l];
        layer.pairs = sizes[l] / 2;
        layer.outputs = sizes[l + 1];
        const int64_t most = l ? kMostActivation : kMostInput;
        for (int o = 0; o < layer.outputs; o++) {
            int64_t sum = 0;
            for (int p = 0; p < layer.pairs; p++, data += 4) {
                const int32_t pair = number(data, 4);
                layer.weights.push_back(pair);
                sum += most * (std::abs(static_cast<int16_t>(pair)) + std::abs(pair >> 16));
            }
            layer.bias.push_back(number(data, 4));
            data += 4;
            if (sum + std::abs(static_cast<int64_t>(layer.bias[o])) > INT32_MAX)
                throw std::invalid_argument("a network of repair with sums above 31 bits");
        }
    }
}

void repair(const float* x, int depth, int height, int width, float step,
            const RepairNet& net, const RepairRange& range, float* out) {
    const size_t stack = static_cast<size_t>(depth) * height * width;
    for (int top = range.top; top < range.bottom; top += S * kBand) {
        const int bottom = std::min(top + S * kBand, range.bottom);
        for (int k = range.first / depth; k * static_cast<int64_t>(depth) < range.last; k++) {
            Strip strip(x + k * stack, depth, height, width, step, net, top, bottom,
                      out + k * stack);
            const int first = std::max(range.first - k * depth, 0);
            const int last = std::min(range.last - k * depth, depth);
            for (int d = first; d < last; d++) strip.plane(d);
        }
    }
}

}  // namespace inif
