#include "band.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace inif {
namespace {

constexpr int kAbove = 3, kBeside = 4;  // margins of a plane, so that no neighbour is outside
constexpr int kMostPlain = 19;          // lengths beyond share their contexts
constexpr int kMostLength = 19, kMostLowLength = 27;
constexpr int kMostSize = 1023;  // of a magnitude in contexts
constexpr int kMostLatent = 1 << 19;
constexpr double kMostDearer = 4;   // of a price, to keep to a number of bits
constexpr float kLeastPeak = 0.8f;  // in steps, of the largest of a block that may have latents
constexpr int32_t kMostLow = 1 << 27;

INIF_INLINE int mag(int v) { return v < 0 ? -v : v; }
INIF_INLINE int sign(int v) { return v > 0 ? 2 : v < 0 ? 1 : 0; }
INIF_INLINE int two(int v) { return v > 2 ? 2 : v; }
INIF_INLINE int16_t clipped(int v, int most) { return static_cast<int16_t>(v > most ? most : v); }

template <Mode mode, int N>
INIF_INLINE int coded(Mixer& m, RangeCoder& coder, const int* context, int selector, int bit,
                 float& bits) {
    Prediction<N> p;
    p.look(m, context, selector, 0);
    if constexpr (mode != Mode::decode) bits += p.cost(bit);
    bit = coder.bit<mode>(bit, p.one);
    p.learn(m, bit);
    return bit;
}

template <Mode mode>
INIF_INLINE int plain(RangeCoder& coder, int bit, float& bits) {
    if constexpr (mode != Mode::decode) bits += 1;
    return coder.bit<mode>(bit, 32768);
}

// Numbers that are 0 until they are written; what is never looked at costs no memory.
template <class T>
class Zeros {
  public:
    explicit Zeros(size_t size)
        : data_(static_cast<T*>(std::calloc(size ? size : 1, sizeof(T))), std::free) {
        if (!data_) throw std::bad_alloc();
    }
    T* data() const { return data_.get(); }

  private:
    std::unique_ptr<T, decltype(&std::free)> data_;
};

// The parent's magnitudes and the weighted sums of their neighbourhoods, padded by one all around.
// Most latents are zero, so each that is not is added to the sums that it is part of.
struct Parent {
    int width = 0;
    long plane = 0;
    Zeros<int16_t> own, around;

    explicit Parent(const Band& b)
        : width(b.parent_width + 2), plane(static_cast<long>(b.parent_height + 2) * width),
          own(b.parent ? (b.parents + 2) * plane : 0),
          around(b.parent ? (b.parents + 2) * plane : 0) {
        const int32_t* from = b.parent;
        if (!from) return;
        for (int i = 0; i < b.parents; i++)
            for (int y = 0; y < b.parent_height; y++, from += b.parent_width)
                for (int x = 0; x < b.parent_width; x++)
                    if (from[x]) {
                        const int v = std::min(mag(std::clamp(from[x], -255, 255)), 255);
                        add((i + 1) * plane + (y + 1L) * width + x + 1, static_cast<int16_t>(v));
                    }
    }

    static int sum_of(int16_t around) { return around < 1000 ? around : 1000; }

  private:
    void add(long at, int16_t v) {
        own.data()[at] = v;
        int16_t* e = around.data() + at;
        const int w = width;
        e[0] = static_cast<int16_t>(e[0] + 3 * v);
        for (const int to : {-1, 1, -w, w}) e[to] = static_cast<int16_t>(e[to] + 2 * v);
        for (const int to : {-w - 1, -w + 1, w - 1, w + 1}) e[to] = static_cast<int16_t>(e[to] + v);
        for (const long q : {-plane, plane}) {
            e[q] = static_cast<int16_t>(e[q] + 2 * v);
            for (const int to : {-1, 1, -w, w}) e[q + to] = static_cast<int16_t>(e[q + to] + v);
        }
    }
};

// What the contexts of a latent are made from.
struct Seen {
    int zero[16];       // contexts of "not zero", "above 1", "above 2"
    int selector, other;
    int rest[4];        // parts of the contexts of larger magnitudes
};

class Coding {
  public:
    Coding(Model& model, RangeCoder& coder, const Band& band, const Choice* choice,
           int32_t* latents, float* spent)
        : m_(model), coder_(coder), b_(band), choice_(choice), q_(latents), spent_(spent),
          parent_(band), row_(band.width + 2 * kBeside),
          plane_(static_cast<long>(band.height + 2 * kAbove) * row_),
          signs_((band.planes + 1) * plane_), size_((band.planes + 1) * plane_),
          cross_((band.planes + 1) * plane_), corner_((band.planes + 1) * plane_),
          looked_at_(band.planes),
          down_((band.height + band.side - 1) / band.side),
          across_((band.width + band.side - 1) / band.side), flag_row_(across_ + 2),
          flag_plane_(static_cast<long>(down_ + 2) * flag_row_),
          flags_((band.planes + 1) * flag_plane_),
          sibling_row_(band.sibling_width + 2),
          sibling_plane_(static_cast<long>(band.sibling_height + 2) * sibling_row_) {
        for (long i = 0; i < 3L * band.planes; i++)
            if (band.earlier[i] >= 0) looked_at_[band.earlier[i]] = 1;
    }

    // Only what is not zero costs more than the flags of its blocks.
    template <Mode mode>
    INIF_INLINE double run() {
        double total = 0;
        if constexpr (mode != Mode::decode) begin();
        for (int i = 0; i < b_.planes; i++) {
            const Plane at = open(i);
            for (int by = 0; by < down_; by++) {
                if constexpr (mode == Mode::encode) pace(i, by);
                for (int bx = 0; bx < across_; bx++) {
                    float bits = 0;
                    flag<mode>(at, i, by, bx, bits);
                    note(i, by, bx, bits, total);
                }
                const int end = std::min((by + 1) * b_.side, b_.height);
                for (int y = by * b_.side; y < end; y++)
                    for (int bx = 0; bx < across_; bx++) {
                        if (!at.flag[static_cast<long>(by) * flag_row_ + bx]) continue;
                        float bits = 0;
                        const int stop = std::min((bx + 1) * b_.side, b_.width);
                        for (int x = bx * b_.side; x < stop; x++) latent<mode>(at, i, y, x, bits);
                        note(i, by, bx, bits, total);
                    }
                count(at, by);
            }
        }
        add_to_siblings();
        return total;
    }

  private:
    struct Plane {
        int16_t *own, *size, *cross, *corner;  // latents, magnitudes, sums of four beside each
        const int16_t *signs[3], *sizes[3], *crosses[3], *corners;  // of planes before
        uint8_t* flag;
        const uint8_t* flags[3];
        const int16_t *sibling, *parent, *around;
        bool looked_at;  // by a plane to come
    };

    Plane open(int i) {
        Plane p{};
        const long origin = static_cast<long>(kAbove) * row_ + kBeside;
        const long here = i * plane_ + origin;
        p.own = signs_.data() + here;
        p.size = size_.data() + here;
        p.cross = cross_.data() + here;
        p.corner = corner_.data() + here;
        p.flag = flags_.data() + i * flag_plane_ + flag_row_ + 1;
        for (int k = 0; k < 3; k++) {
            const int r = b_.earlier[3 * i + k];
            const int j = r < 0 ? b_.planes : r;  // the last plane stays zero
            p.signs[k] = signs_.data() + j * plane_ + origin;
            p.sizes[k] = size_.data() + j * plane_ + origin;
            p.crosses[k] = cross_.data() + j * plane_ + origin;
            if (k == 0) p.corners = corner_.data() + j * plane_ + origin;
            p.flags[k] = flags_.data() + j * flag_plane_ + flag_row_ + 1;
        }
        p.sibling = b_.siblings + b_.sibling_of[i] * sibling_plane_ + sibling_row_ + 1;
        p.looked_at = looked_at_[i];
        if (b_.parent) {
            const long at = (b_.parent_of[i] + 1) * parent_.plane + parent_.width + 1;
            p.parent = parent_.own.data() + at;
            p.around = parent_.around.data() + at;
        }
        return p;
    }

    void note(int i, int by, int bx, float bits, double& total) {
        total += bits;
        if (spent_) spent_[(static_cast<long>(i) * down_ + by) * across_ + bx] += bits;
    }

    void begin() {
        lambda_ = choice_->lambda;
        written_ = coder_.size();
        expected_ = choice_->after;
        if (choice_->planned) {
            const long blocks = static_cast<long>(b_.planes) * down_ * across_;
            for (long k = 0; k < blocks; k++) expected_ += choice_->planned[k];
        }
    }

    // A price for which the bits that are left suffice: they fall with about its fourth root.
    void pace(int i, int by) {
        const Choice& c = *choice_;
        if (!c.planned) return;
        const double left = c.left - 8.0 * static_cast<double>(coder_.size() - written_);
        const double share = left / std::max(expected_, 1.0), square = share * share;
        const double factor = share > 0 ? 1 / (square * square) : kMostDearer;
        lambda_ = c.lambda * static_cast<float>(std::clamp(factor, 1 / kMostDearer, kMostDearer));
        const float* row = c.planned + (static_cast<long>(i) * down_ + by) * across_;
        for (int bx = 0; bx < across_; bx++) expected_ -= row[bx];
    }

    // Whether a block has anything but zeros.
    template <Mode mode>
    INIF_INLINE void flag(const Plane& p, int i, int by, int bx, float& bits) {
        const Functions& f = kFunctions;
        const int y0 = by * b_.side, y1 = std::min(y0 + b_.side, b_.height);
        const int x0 = bx * b_.side, x1 = std::min(x0 + b_.side, b_.width);
        const int B = b_.level * 8 + b_.kind, L = b_.level;
        int set = 0;
        if constexpr (mode != Mode::decode) set = wanted(i, y0, y1, x0, x1);
        int parents = 0, siblings = 0;
        if (p.around) {
            const int ye = std::min((y1 + 1) / 2, b_.parent_height);
            const int xe = std::min((x1 + 1) / 2, b_.parent_width);
            for (int y = y0 / 2; y < ye; y++)
                for (int x = x0 / 2; x < xe; x++)
                    parents += Parent::sum_of(p.around[static_cast<long>(y) * parent_.width + x]);
            parents /= 4;
        }
        for (int y = y0; y < y1; y++)
            for (int x = x0; x < x1; x++)
                siblings += p.sibling[static_cast<long>(y) * sibling_row_ + x];
        const long at = static_cast<long>(by) * flag_row_ + bx;
        const uint8_t *me = p.flag + at, *u = p.flags[0] + at;
        const int r = flag_row_;
        const int near = 2 * ((me[-1] > 0) + (me[-r] > 0)) + (me[-r - 1] > 0) + (me[-r + 1] > 0);
        const int beside = (u[-1] > 0) + (u[1] > 0) + (u[-r] > 0) + (u[r] > 0);
        const int q0 = u[0], q1 = p.flags[1][at], q2 = p.flags[2][at];
        const int pq = f.level_of(parents), sq = f.level_of(siblings);
        const int context[7] = {(B * 7 + near) * 4 + q0,
                                (B * 15 + pq) * 15 + sq,
                                ((B * 4 + q0) * 5 + beside) * 4 + q1,
                                (B * 15 + pq) * 7 + near,
                                (B * 15 + sq) * 4 + q0,
                                ((B * 4 + q0) * 4 + q1) * 4 + q2,
                                ((L * 15 + pq) * 7 + near) * 4 + q0};
        p.flag[at] = static_cast<uint8_t>(
            coded<mode, 7>(m_.mixers[kBlock], coder_, context, B, set, bits));
    }

    // The squared error of none, in the unit of the values.
    float worth(long at) const {
        const float v = choice_->values[at];
        return choice_->weights ? choice_->weights[at] * (v * v) : v * v;
    }

    int wanted(int i, int y0, int y1, int x0, int x1) const {
        const Choice& c = *choice_;
        const float least = kLeastPeak * c.step;
        for (int y = y0; y < y1; y++) {
            const long at = (static_cast<long>(i) * b_.height + y) * b_.width;
            for (int x = x0; x < x1; x++)
                if (c.most ? c.most[at + x] != 0 : worth(at + x) >= least * least) return 1;
        }
        return 0;
    }

    INIF_INLINE void look(const Plane& p, int y, int x, Seen& s) const {
        const Functions& f = kFunctions;
        const int B = b_.level * 8 + b_.kind, L = b_.level;
        const long at = static_cast<long>(y) * row_ + x;
        const int r = row_;
        const int16_t* e = p.size + at;
        const int w = e[-1], n = e[-r], nw = e[-r - 1], ne = e[-r + 1], ww = e[-2], nn = e[-2 * r];
        const int far = e[-2 * r - 1] + e[-2 * r + 1] + e[-r - 2] + e[-r + 2] + e[-3] + e[-3 * r];
        const int u0 = p.sizes[0][at], u4 = p.crosses[0][at], ud = p.corners[at];
        const int v0 = p.sizes[1][at], v4 = p.crosses[1][at];
        const int t0 = p.sizes[2][at], t4 = p.crosses[2][at];
        int own = 0, around = 0;
        if (p.around) {
            const int py = std::min(y >> 1, b_.parent_height - 1);
            const int px = std::min(x >> 1, b_.parent_width - 1);
            own = p.parent[static_cast<long>(py) * parent_.width + px];
            around = Parent::sum_of(p.around[static_cast<long>(py) * parent_.width + px]);
        }
        const int16_t* sib = p.sibling + static_cast<long>(y) * sibling_row_ + x;
        const long sr = sibling_row_, sq = sibling_plane_;
        const int s0 = sib[0], sn = sib[-1] + sib[1] + sib[-sr] + sib[sr] + sib[-sq] + sib[sq];
        const int near = 2 * (w + n + u0) + nw + ne + u4;
        const int wide = near + ww + nn + ud + far + v0 + (v4 >> 1) + t0;
        const int32_t* weight = m_.expectation.data() + ((L > 3 ? 3 : L) * 8 + b_.kind) * 17;
        const int neighbour[17] = {w,  n,  nw + ne, ww + nn, far, u0,     u4, ud, v0,
                                   v4, t0, t4,      own,     around, s0, sn, 1};
        int sum = 0;
        for (int k = 0; k < 17; k++) sum += weight[k] * neighbour[k];
        sum >>= 4;
        const int active = f.activity[sum < 0 ? 0 : sum > 2047 ? 2047 : sum];
        const int qn = f.level_of(near), qw = f.level_of(wide), qp = f.level_of(around / 3);
        const int vt = f.level_of(2 * v0 + v4), tt = f.level_of(2 * t0 + t4);
        const int qs = f.level_of(2 * s0 + sn);
        const int u4q = std::min(f.level_of(u4), 7), udq = std::min(f.level_of(ud), 7);
        int* c = s.zero;
        c[0] = B * 15 + qn;
        c[1] = B * 15 + qw;
        c[2] = (((B * 3 + two(w)) * 3 + two(n)) * 3 + two(u0)) * 3 + two(nw + ne);
        c[3] = (B * 15 + f.level_of(around / 2)) * 3 + two(own);
        c[4] = (B * 15 + qn) * 15 + qp;
        c[5] = (B * 15 + qw) * 15 + qs;
        c[6] = (B * 4 + std::min(s0, 3)) * 15 + f.level_of(sn);
        c[7] = ((B * 15 + qw) * 15 + qp) * 3 + two(s0);
        c[8] = (((B * 3 + two(u0)) * 3 + two(v0)) * 8 + u4q) * 8 + udq;
        c[9] = B * 15 + f.level_of(wide + around / 2 + 2 * s0 + sn);
        c[10] = (B * 15 + vt) * 15 + qn;
        c[11] = (L * 15 + qn) * 15 + f.level_of(around / 3 + s0);
        c[12] = (B * 15 + tt) * 15 + qn;
        c[13] = (B * 15 + f.level_of(2 * t0 + t4 + 2 * v0 + v4)) * 15 +
                f.level_of(2 * w + 2 * n + nw + ne);
        c[14] = (B * 24 + active) * 3 + two(u0);
        c[15] = (((L * 24 + active) * 3 + two(w)) * 3 + two(n)) * 3 + two(u0);
        s.selector = B * 15 + f.level_of(wide + around / 2 + sn + s0 + t0 + t4);
        s.other = L * 24 + active;
        s.rest[0] = qw;
        s.rest[1] = f.level_of(around);
        s.rest[2] = qs;
        s.rest[3] = qn;
    }

    template <Mode mode>
    INIF_INLINE void latent(const Plane& p, int i, int y, int x, float& bits) {
        Seen s;
        look(p, y, x, s);
        Mixer &m0 = m_.mixers[kZero], &m1 = m_.mixers[kOne], &m2 = m_.mixers[kTwo];
        const long at = (static_cast<long>(i) * b_.height + y) * b_.width + x;
        Prediction<16> zero, one, more;
        zero.look(m0, s.zero, s.selector, s.other);
        int best = 0, negative = 0;
        if constexpr (mode != Mode::decode) best = chosen(at, zero, one, more, s, negative);
        if constexpr (mode != Mode::decode) bits += zero.cost(best > 0);
        const int some = coder_.bit<mode>(best > 0, zero.one);
        zero.learn(m0, some);
        if (!some) {
            q_[at] = 0;
            return;
        }
        one.look(m1, s.zero, s.selector, s.other);
        if constexpr (mode != Mode::decode) bits += one.cost(best > 1);
        int value = 1;
        const int above = coder_.bit<mode>(best > 1, one.one);
        one.learn(m1, above);
        if (above) {
            more.look(m2, s.zero, s.selector, s.other);
            if constexpr (mode != Mode::decode) bits += more.cost(best > 2);
            const int beyond = coder_.bit<mode>(best > 2, more.one);
            more.learn(m2, beyond);
            value = beyond ? 3 + rest<mode>(s, best - 3, bits) : 2;
        }
        negative = sign_of<mode>(p, y, x, negative, bits);
        const int latent = negative ? -value : value;
        q_[at] = latent;
        const long to = static_cast<long>(y) * row_ + x;
        p.own[to] = static_cast<int16_t>(negative ? -1 : 1);
        const int16_t size = clipped(value, kMostSize);
        p.size[to] = size;
        if (!p.looked_at) return;
        for (const int at : {-1, 1, -row_, row_}) p.cross[to + at] += size;
        for (const int at : {-row_ - 1, -row_ + 1, row_ - 1, row_ + 1}) p.corner[to + at] += size;
    }

    // The latent of least cost among its rounding, one less, and none.
    INIF_INLINE int chosen(long at, const Prediction<16>& zero, Prediction<16>& one,
                      Prediction<16>& more, const Seen& s, int& negative) {
        const Choice& c = *choice_;
        if (!c.values) {
            negative = c.most[at] < 0;
            return mag(c.most[at]);
        }
        const float v = c.values[at] * (1 / c.step), size = std::fabs(v);
        negative = v < 0;
        // In this order the least of the two is a number, also if the value is none.
        int top = static_cast<int>(std::min(static_cast<float>(kMostLatent), size + c.dead_zone));
        if (top <= 0) return 0;
        one.look(m_.mixers[kOne], s.zero, s.selector, s.other);
        more.look(m_.mixers[kTwo], s.zero, s.selector, s.other);
        const float weight = c.weights ? c.weights[at] : 1.0f;
        const float none = zero.cost(0), some = zero.cost(1) + 1;
        int best = 0;
        float least = INFINITY;
        for (int t = 0; t < 3; t++) {
            const int k = t == 0 ? top : t == 1 ? top - 1 : 0;
            if (k < 0) continue;
            float rate = none;
            if (k >= 1) rate = some + one.cost(k > 1);
            if (k >= 2) rate += more.cost(k > 2);
            if (k >= 3) rate += static_cast<float>(2 * length(k - 3) + 1);
            const float value = k == 0 ? 0.0f : k == 1 ? c.one : static_cast<float>(k) + c.rest;
            const float off = size - value;
            const float cost = weight * (off * off) + lambda_ * rate;
            if (cost < least) least = cost, best = k;
        }
        return best;
    }

    // Bits of n + 1 after its highest.
    static int length(int n) {
        int k = 0;
        while ((n + 1) >> (k + 1)) k++;
        return k;
    }

    // An exponential Golomb code with contexts for its length and its first bit.
    template <Mode mode>
    int rest(const Seen& s, int n, float& bits) {
        const int B = b_.level * 8 + b_.kind;
        const auto context = [&](int j, int(&c)[5]) {
            c[0] = j * 15 + s.rest[0];
            c[1] = j * 15 + s.rest[1];
            c[2] = j * kGroups + B;
            c[3] = j * 15 + s.rest[2];
            c[4] = (j * 15 + s.rest[3]) * 15 + s.rest[1];
        };
        Mixer& m = m_.mixers[kRest];
        int c[5], k = 0, j = 0, low = 0;
        if constexpr (mode != Mode::decode) k = std::min(length(n), kMostLength);
        for (;; j++) {
            context(std::min(j, kMostPlain), c);
            if (!coded<mode, 5>(m, coder_, c, std::min(j, kMostPlain), j < k, bits)) break;
            if (j >= kMostLength) break;
        }
        for (int t = j - 1; t >= 0; t--) {
            int bit = mode == Mode::decode ? 0 : ((n + 1) >> t) & 1;
            if (t == j - 1) {
                const int jj = 20 + std::min(j, kMostPlain);
                context(jj, c);
                bit = coded<mode, 5>(m, coder_, c, jj, bit, bits);
            } else {
                bit = plain<mode>(coder_, bit, bits);
            }
            low |= bit << t;
        }
        return ((1 << j) | low) - 1;
    }

    template <Mode mode>
    INIF_INLINE int sign_of(const Plane& p, int y, int x, int negative, float& bits) {
        const int B = b_.level * 8 + b_.kind;
        const long at = static_cast<long>(y) * row_ + x;
        const int16_t* e = p.own + at;
        const int u = sign(p.signs[0][at]), v = sign(p.signs[1][at]), t = sign(p.signs[2][at]);
        const int w = sign(e[-1]), n = sign(e[-row_]);
        const int context[6] = {(B * 3 + w) * 3 + n,
                                (B * 3 + u) * 3 + v,
                                (B * 3 + sign(e[-row_ - 1])) * 3 + sign(e[-row_ + 1]),
                                (B * 3 + v) * 3 + t,
                                ((B * 3 + w) * 3 + n) * 3 + u,
                                B * 3 + t};
        return coded<mode, 6>(m_.mixers[kSign], coder_, context, B, negative, bits);
    }

    // A block's flag becomes a class of how many latents it has: none, 1, 2 ... 4, more.
    void count(const Plane& p, int by) {
        const int end = std::min((by + 1) * b_.side, b_.height);
        for (int bx = 0; bx < across_; bx++) {
            uint8_t& flag = p.flag[static_cast<long>(by) * flag_row_ + bx];
            if (!flag) continue;
            int some = 0;
            const int stop = std::min((bx + 1) * b_.side, b_.width);
            for (int y = by * b_.side; y < end; y++)
                for (int x = bx * b_.side; x < stop; x++)
                    some += p.size[static_cast<long>(y) * row_ + x] != 0;
            flag = static_cast<uint8_t>(some <= 1 ? 1 : some <= 4 ? 2 : 3);
        }
    }

    void add_to_siblings() {
        const long origin = static_cast<long>(kAbove) * row_ + kBeside;
        for (int i = 0; i < b_.planes; i++) {
            int16_t* sums = b_.siblings + b_.sibling_of[i] * sibling_plane_ + sibling_row_ + 1;
            const int16_t* own = size_.data() + i * plane_ + origin;
            const uint8_t* flags = flags_.data() + i * flag_plane_ + flag_row_ + 1;
            for (int y = 0; y < b_.height; y++)
                for (int bx = 0; bx < across_; bx++) {
                    if (!flags[static_cast<long>(y / b_.side) * flag_row_ + bx]) continue;
                    const int stop = std::min((bx + 1) * b_.side, b_.width);
                    for (int x = bx * b_.side; x < stop; x++) {
                        int16_t& sum = sums[static_cast<long>(y) * sibling_row_ + x];
                        sum = clipped(sum + own[static_cast<long>(y) * row_ + x], 255);
                    }
                }
        }
    }

    Model& m_;
    RangeCoder& coder_;
    const Band& b_;
    const Choice* choice_;
    int32_t* q_;
    float* spent_;
    Parent parent_;
    int row_;
    long plane_;
    Zeros<int16_t> signs_, size_, cross_, corner_;  // padded planes, the last without latents
    std::vector<uint8_t> looked_at_;  // planes
    int down_, across_, flag_row_;
    long flag_plane_;
    std::vector<uint8_t> flags_;
    int sibling_row_;
    long sibling_plane_;
    float lambda_ = 0;
    size_t written_ = 0;    // bytes before this band
    double expected_ = 0;  // bits of what is still to come
};

INIF_EVERY_PROCESSOR double estimate(Coding& c) { return c.run<Mode::estimate>(); }
INIF_EVERY_PROCESSOR double encode(Coding& c) { return c.run<Mode::encode>(); }
INIF_EVERY_PROCESSOR double decode(Coding& c) { return c.run<Mode::decode>(); }

template <Mode mode>
double low(Model& model, RangeCoder& coder, int planes, int height, int width,
           const int32_t* earlier, int32_t* q) {
    const Functions& f = kFunctions;
    Mixer& m = model.mixers[kLow];
    const long plane = static_cast<long>(height) * width;
    std::vector<int32_t> error(planes * plane, 0);
    double total = 0;
    for (int i = 0; i < planes; i++)
        for (int y = 0; y < height; y++)
            for (int x = 0; x < width; x++) {
                const long k = i * plane + static_cast<long>(y) * width + x;
                const int r = earlier[3 * i];
                const long u = r * plane + static_cast<long>(y) * width + x;
                int guess = 0;
                if (r >= 0) {
                    guess = q[u];
                    if (x && y)
                        guess += (q[k - 1] - q[u - 1] + q[k - width] - q[u - width]) / 2;
                    else if (x)
                        guess += q[k - 1] - q[u - 1];
                    else if (y)
                        guess += q[k - width] - q[u - width];
                } else if (x && y) {
                    const int a = q[k - 1], b = q[k - width], d = q[k - width - 1];
                    const int most = std::max(a, b), least = std::min(a, b);
                    guess = d >= most ? least : d <= least ? most : a + b - d;
                } else {
                    guess = y ? q[k - width] : x ? q[k - 1] : 0;
                }
                const int64_t around = (x ? static_cast<int64_t>(mag(error[k - 1])) : 0) +
                                       (y ? mag(error[k - width]) : 0) + (r >= 0 ? mag(error[u]) : 0);
                const int c = f.level_of(static_cast<int>(std::min<int64_t>(around, 1023)));
                const int where = (r >= 0) * 2 + (y && x);
                const int32_t off = mode == Mode::decode ? 0 : q[k] - guess;
                uint32_t size = static_cast<uint32_t>(mag(off));
                float bits = 0;
                int j = 0;
                for (;; j++) {
                    const int jj = std::min(j, kMostPlain);
                    const int context[2] = {jj * 15 + c, jj * 4 + where};
                    const bool longer = ((size + 1) >> j) > 1;
                    if (!coded<mode, 2>(m, coder, context, jj, longer, bits)) break;
                    if (j >= kMostLowLength) break;
                }
                uint32_t part = 0;
                for (int t = j - 1; t >= 0; t--)
                    part |= static_cast<uint32_t>(plain<mode>(coder, ((size + 1) >> t) & 1, bits)) << t;
                size = ((1u << j) | part) - 1;
                int32_t value = static_cast<int32_t>(size);
                if (size && plain<mode>(coder, off < 0, bits)) value = -value;
                error[k] = value;
                q[k] = std::clamp(guess + value, -kMostLow, kMostLow);
                total += bits;
            }
    return total;
}

}  // namespace

double code_band(Mode mode, Model& model, RangeCoder& coder, const Band& band, const Choice* choice,
                 int32_t* latents, float* spent) {
    Coding c(model, coder, band, choice, latents, spent);
    // Blocks without a flag are not visited again.
    std::fill(latents, latents + static_cast<long>(band.planes) * band.height * band.width, 0);
    return mode == Mode::estimate ? estimate(c) : mode == Mode::encode ? encode(c) : decode(c);
}

double code_low(Mode mode, Model& model, RangeCoder& coder, int planes, int height, int width,
                const int32_t* earlier, int32_t* latents) {
    const auto run = mode == Mode::estimate ? low<Mode::estimate>
                     : mode == Mode::encode ? low<Mode::encode>
                                            : low<Mode::decode>;
    return run(model, coder, planes, height, width, earlier, latents);
}

}  // namespace inif
