// Adaptive estimates of a bit by many contexts, and their mixing in the logistic domain.
//
// All of it is integers. An estimate is a probability of 22 bits and a count of 10. A mixer adds
// the stretched estimates, weighted by each of two sets of weights that are chosen by two selectors
// and learn from their own errors; the mean of both is the prediction. Those of the first three bits
// of a magnitude are refined: a table says what came of such predictions before.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "compiler.hpp"
#include "functions.hpp"

namespace inif {

constexpr int kGroups = 48;      // level (6) x band (8)
constexpr int kSecond = 6 * 24;  // selectors of the second set: level x activity
constexpr int kPoints = 33;      // of a refinement, between which it is linear

enum Kind { kBlock, kZero, kOne, kTwo, kRest, kSign, kLow, kKinds };

using Estimate = uint32_t;
constexpr int32_t kLeastEstimate = 64, kMostEstimate = (1 << 22) - 64;  // where they move to

constexpr int contexts_of(Kind kind) {
    return kind == kBlock ? 7 : kind <= kTwo ? 16 : kind == kRest ? 5 : kind == kSign ? 6 : 2;
}

// How many values each context has.
inline std::vector<int> sizes_of(Kind kind) {
    constexpr int G = kGroups;
    switch (kind) {
        case kBlock: return {G * 28, G * 225, G * 80, G * 105, G * 60, G * 64, 6 * 15 * 28};
        case kZero:
        case kOne:
        case kTwo:
            return {G * 15,  G * 15, G * 81,  G * 45,  G * 225, G * 225, G * 60,     G * 675,
                    G * 576, G * 15, G * 225, 6 * 225, G * 225, G * 225, G * 24 * 3, 6 * 24 * 27};
        case kRest: return {40 * 15, 40 * 15, 40 * G, 40 * 15, 40 * 225};
        case kSign: return {G * 9, G * 9, G * 9, G * 9, G * 27, G * 3};
        default: return {40 * 15, 40 * 4};
    }
}

inline int selectors_of(Kind kind) {
    return kind == kBlock || kind == kSign ? kGroups : kind <= kTwo ? kGroups * 15 : 40;
}

inline double start_of(Kind kind) {
    return kind == kZero ? 0.05 : kind >= kSign ? 0.5 : kind == kBlock ? 0.2 : 0.3;
}

constexpr int32_t kMostWeight = 1 << 19;  // 65536 is 1
constexpr int kBias = 77;                  // an input that is always the same

struct Mixer {
    int contexts = 0, limit = 1000, speed = 4;
    std::vector<Estimate> estimates;  // of all contexts, one after the other
    std::array<size_t, 17> first{};
    std::vector<int32_t> weights, second, refined;

    explicit Mixer(Kind kind) : contexts(contexts_of(kind)) {
        const auto sizes = sizes_of(kind);
        for (int c = 0; c < contexts; c++) first[c + 1] = first[c] + sizes[c];
        estimates.assign(first[contexts], static_cast<Estimate>(start_of(kind) * 4194304) << 10);
        const int n = 2 * contexts + 1;
        weights.assign(static_cast<size_t>(n) * selectors_of(kind), 0);
        second.assign(static_cast<size_t>(n) * (kind >= kZero && kind <= kTwo ? kSecond : 1), 0);
        for (size_t s = 0; s < weights.size(); s += n)
            for (int c = 0; c < contexts; c++) weights[s + c] = 65536 * 3 / contexts;
        for (size_t s = 0; s < second.size(); s += n)
            for (int c = 0; c < contexts; c++) second[s + c] = 65536 * 3 / contexts;
        if (kind < kZero || kind > kTwo) return;
        refined.resize(static_cast<size_t>(kSecond) * kPoints);
        for (size_t i = 0; i < refined.size(); i++)
            refined[i] = kFunctions.squash[std::min<size_t>(i % kPoints * 128, 4095)];
    }
};

// All that has been learned: estimates and weights of every kind of bit.
struct Model {
    std::vector<Mixer> mixers;
    std::array<int32_t, 32 * 17> expectation{};  // weights of 17 neighbours, level (4) x band (8)

    Model() {
        for (int k = 0; k < kKinds; k++) mixers.emplace_back(static_cast<Kind>(k));
    }

    size_t bytes() const {
        size_t n = sizeof expectation;
        for (const auto& m : mixers)
            n += 4 * (m.estimates.size() + m.weights.size() + m.second.size() + m.refined.size());
        return n;
    }

    // Numbers of 32 bits, the least byte first.
    void store(uint8_t* out) const {
        each(*this, [&](const auto* numbers, size_t n) {
            for (size_t i = 0; i < n; i++, out += 4) {
                const uint32_t v = static_cast<uint32_t>(numbers[i]);
                for (int k = 0; k < 4; k++) out[k] = static_cast<uint8_t>(v >> (8 * k));
            }
        });
    }

    void load(const uint8_t* in, size_t size) {
        if (size != bytes()) throw std::invalid_argument("tables of another size");
        each(*this, [&](auto* numbers, size_t n) {
            for (size_t i = 0; i < n; i++, in += 4) {
                uint32_t v = 0;
                for (int k = 0; k < 4; k++) v |= static_cast<uint32_t>(in[k]) << (8 * k);
                numbers[i] = static_cast<std::decay_t<decltype(*numbers)>>(v);
            }
        });
        for (const auto& m : mixers) {
            for (const auto& e : m.estimates)
                if ((e >> 10) < 16 || (e >> 10) > (1 << 22) - 16)
                    throw std::invalid_argument("an estimate of 0 or 1");
            for (const auto* weights : {&m.weights, &m.second})
                for (const int32_t w : *weights)
                    if (w < -kMostWeight || w > kMostWeight)
                        throw std::invalid_argument("a weight above 8");
            for (const int32_t p : m.refined)
                if (p < 0 || p > 65535) throw std::invalid_argument("a probability above 1");
        }
    }

    // Forget how sure the estimates are beyond `most` observations.
    void cap(uint32_t most) {
        for (auto& m : mixers)
            for (auto& e : m.estimates)
                if ((e & 1023) > most) e = (e & ~1023u) | most;
    }

  private:
    template <class Self, class Visit>
    static void each(Self& self, Visit visit) {
        visit(self.expectation.data(), self.expectation.size());
        for (auto& m : self.mixers) {
            visit(m.estimates.data(), m.estimates.size());
            visit(m.weights.data(), m.weights.size());
            visit(m.second.data(), m.second.size());
            visit(m.refined.data(), m.refined.size());
        }
    }
};

// One bit as a mixer sees it. Tables are looked up number by number; the rest is vectors of 32 bits.
template <int N>
struct Prediction {
    Estimate* of[N];
    int32_t was[N], known[N];  // estimates, and confidence and rate of each
    int32_t input[2 * N];      // of each context how likely a 1 is, stretched; then plainly
    int32_t *weights, *second, *point;
    int32_t first_one, second_one;  // probabilities of a 1 in 1/65536 by each set, and by both
    uint32_t one;

    INIF_INLINE void look(Mixer& m, const int* context, int selector, int other) {
        const Functions& f = kFunctions;
        weights = m.weights.data() + static_cast<size_t>(selector) * (2 * N + 1);
        second = m.second.data() + static_cast<size_t>(other) * (2 * N + 1);
        Estimate* at = m.estimates.data();
        for (int c = 0; c < N; c++) {
            of[c] = at + m.first[c] + context[c];
            const uint32_t v = *of[c];
            was[c] = static_cast<int32_t>(v);
            known[c] = f.known[v & 1023];
            input[c] = f.stretch[v >> 20];
        }
        INIF_VECTOR
        for (int c = 0; c < N; c++) {
            const int32_t p = static_cast<int32_t>(static_cast<uint32_t>(was[c]) >> 20);
            const int32_t sure = known[c] >> 16;
            input[c] = (input[c] * sure) >> 8;
            input[N + c] = ((p - 2048) * sure) >> 11;
        }
        const int32_t *__restrict a = weights, *__restrict b = second;
        int32_t sum = kBias * (a[2 * N] >> 6), sum2 = kBias * (b[2 * N] >> 6);
        INIF_VECTOR
        for (int i = 0; i < 2 * N; i++) {
            sum += (a[i] >> 6) * input[i];
            sum2 += (b[i] >> 6) * input[i];
        }
        const int32_t by_first = logit(sum), by_second = logit(sum2);
        first_one = f.squash[by_first + 2048];
        second_one = f.squash[by_second + 2048];
        const int32_t mixed = ((by_first + by_second) >> 1) + 2048;
        one = f.squash[mixed];
        if constexpr (N == 16) {
            int32_t* const table = m.refined.data() + other * kPoints + (mixed >> 7);
            const int32_t part = mixed & 127;
            const int32_t seen = (table[0] * (128 - part) + table[1] * part) >> 7;
            point = table + (part >= 64);
            one = std::min<uint32_t>(std::max<uint32_t>((one + seen + 1) >> 1, 24), 65511);
        }
    }

    INIF_INLINE void learn(const Mixer& m, int bit) {
        const int32_t error = (((bit << 16) - first_one) * m.speed) >> 4;
        const int32_t error2 = (((bit << 16) - second_one) * m.speed) >> 4;
        int32_t *__restrict a = weights, *__restrict b = second;
        INIF_VECTOR
        for (int i = 0; i < 2 * N; i++) {
            a[i] = bounded(a[i] + ((input[i] * error + 8192) >> 14));
            b[i] = bounded(b[i] + ((input[i] * error2 + 8192) >> 14));
        }
        a[2 * N] = bounded(a[2 * N] + ((kBias * error + 8192) >> 14));
        b[2 * N] = bounded(b[2 * N] + ((kBias * error2 + 8192) >> 14));
        if constexpr (N == 16) *point += (bit * 65535 - *point) >> 7;
        const int32_t goal = bit ? kMostEstimate : kLeastEstimate, limit = m.limit;
        INIF_VECTOR
        for (int c = 0; c < N; c++) {
            const int32_t n = was[c] & 1023;
            int32_t p = static_cast<int32_t>(static_cast<uint32_t>(was[c]) >> 10);
            p += (((goal - p) >> 6) * (known[c] & 0xffff)) >> 9;
            was[c] = static_cast<int32_t>(static_cast<uint32_t>(p) << 10) | (n + (n < limit));
        }
        for (int c = 0; c < N; c++) *of[c] = static_cast<Estimate>(was[c]);
    }

    static int32_t logit(int32_t sum) {
        const int32_t at = (sum + 512) >> 10;
        return at > 2047 ? 2047 : at < -2047 ? -2047 : at;
    }

    static int32_t bounded(int32_t w) { return std::min(std::max(w, -kMostWeight), kMostWeight); }

    float cost(int bit) const { return kFunctions.bits[(bit ? one : 65536 - one) >> 4]; }
};

}  // namespace inif
