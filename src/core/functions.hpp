// Fixed functions of the entropy coder, as integers: the same on every machine.
//
// They are worked out once from logarithms, and no entry lies near a rounding boundary
// (tests/unit/test_latent_core.py), so every mathematical library gives the same tables.
#pragma once

#include <cmath>
#include <cstdint>

namespace inif {

struct Functions {
    int16_t stretch[4096];     // ln(p / (1 - p)) * 256 of a probability of 12 bits
    uint16_t squash[4096];     // its inverse, to 16 bits
    // After n observations: 65536 times how sure an estimate is, 256 is certain, plus how far the
    // next one moves it, 32768 / (n + 1.6).
    int32_t known[1024];
    uint8_t level[1024];       // 15 classes of a sum of magnitudes
    uint8_t activity[2048];    // 24 classes of an expected magnitude in sixteenths
    float bits[4097];          // cost of an event of a probability in 1/4096

    Functions() {
        for (int i = 0; i < 4096; i++) {
            double p = (i + 0.5) / 4096, v = std::log(p / (1 - p)) * 256;
            stretch[i] = static_cast<int16_t>(v > 2047 ? 2047 : v < -2047 ? -2047 : std::lrint(v));
            double q = 65536 / (1 + std::exp(-(i - 2048) / 256.0));
            squash[i] = static_cast<uint16_t>(q > 65511 ? 65511 : q < 24 ? 24 : q);
        }
        for (int i = 0; i < 1024; i++) {
            const int32_t rate = static_cast<int32_t>(32768 / (i + 1.6));
            known[i] = (static_cast<int32_t>(std::lrint(256 * (i + 0.3) / (i + 3.0))) << 16) | rate;
        }
        const int ends[] = {1, 2, 3, 4, 5, 6, 8, 11, 15, 21, 30, 45, 70, 120, 1024};
        for (int i = 0, c = 0; i < 1024; i++) {
            while (i >= ends[c]) c++;
            level[i] = static_cast<uint8_t>(c);
        }
        activity[0] = 0;
        for (int i = 1; i < 2048; i++) {
            int c = 1 + static_cast<int>(std::log2(i) * 2.3);
            activity[i] = static_cast<uint8_t>(c > 23 ? 23 : c);
        }
        bits[0] = 12;  // rounded from doubles, so that encoders agree as well
        for (int i = 1; i <= 4096; i++) bits[i] = static_cast<float>(-std::log2(i / 4096.0));
    }

    int level_of(int sum) const { return level[sum > 1023 ? 1023 : sum]; }
};

inline const Functions kFunctions;

}  // namespace inif
