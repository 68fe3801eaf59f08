#include "finish.hpp"

#include <type_traits>

#include "compiler.hpp"

namespace inif {
namespace {

constexpr size_t kRun = 1024;              // numbers that are in the cache while they are worked on
constexpr float kRounds = 12582912.0f;     // 3 * 2^22: what is added to it is rounded

// One operation after the other, each rounded: the same on every machine.
template <class T>
INIF_INLINE void run(const float* values, const float* added, const Finish& f, size_t n, T* out) {
    float v[kRun];
    if (added)
        for (size_t i = 0; i < n; i++) v[i] = added[i] * f.gain + values[i];
    else
        for (size_t i = 0; i < n; i++) v[i] = values[i];
    if (f.scale != 1)
        for (size_t i = 0; i < n; i++) v[i] = v[i] / f.scale;
    for (size_t i = 0; i < n; i++) v[i] = v[i] * f.unit - 1.0f;
    if constexpr (std::is_same_v<T, float>) {
        for (size_t i = 0; i < n; i++) out[i] = v[i];
    } else {
        for (size_t i = 0; i < n; i++) {
            float x = v[i] * f.half + f.middle;
            x = x > f.low ? x : f.low;  // also if it is no number
            x = x < f.high ? x : f.high;
            out[i] = static_cast<T>(static_cast<int32_t>((x + kRounds) - kRounds));
        }
    }
}

template <class T>
INIF_INLINE void all(const float* values, const float* added, const Finish& f, size_t size,
                     T* out) {
    for (size_t at = 0; at < size; at += kRun)
        run(values + at, added ? added + at : nullptr, f, size - at < kRun ? size - at : kRun,
            out + at);
}

}  // namespace

#define INIF_FINISH(T)                                                                          \
    template <>                                                                                 \
    INIF_EVERY_PROCESSOR void finish<T>(const float* values, const float* added,                \
                                        const Finish& f, size_t size, T* out) {                 \
        all(values, added, f, size, out);                                                       \
    }
INIF_FINISH(float)
INIF_FINISH(uint8_t)
INIF_FINISH(uint16_t)
INIF_FINISH(int8_t)
INIF_FINISH(int16_t)
#undef INIF_FINISH

}  // namespace inif
