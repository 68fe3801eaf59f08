// Binary range coder: 32 bits, bytes out as soon as they are certain, probabilities of 16 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "compiler.hpp"

namespace inif {

enum class Mode { estimate, encode, decode };

// One level's stream. Readers take zeros beyond its end, so that the end needs one byte only.
class RangeCoder {
  public:
    RangeCoder() = default;
    RangeCoder(const uint8_t* data, size_t size) : data_(data), size_(size) {
        for (int i = 0; i < 4; i++) code_ = code_ << 8 | next();
    }

    // `one` is the probability of a 1, 1 ... 65535 of 65536. Returns the bit, read or given.
    template <Mode mode>
    INIF_INLINE int bit(int value, uint32_t one) {
        if constexpr (mode == Mode::estimate) return value;
        uint32_t middle = low_ + static_cast<uint32_t>((static_cast<uint64_t>(high_ - low_) * one) >> 16);
        if constexpr (mode == Mode::decode) value = code_ <= middle;
        if (value)
            high_ = middle;
        else
            low_ = middle + 1;
        while (((low_ ^ high_) >> 24) == 0) {
            if constexpr (mode == Mode::encode) out_.push_back(static_cast<uint8_t>(high_ >> 24));
            low_ <<= 8;
            high_ = high_ << 8 | 255;
            if constexpr (mode == Mode::decode) code_ = code_ << 8 | next();
        }
        return value;
    }

    // Bytes that are written so far.
    size_t size() const { return out_.size(); }

    // The stream so far, ended. Zeros at its end are left out: readers take zeros there.
    std::vector<uint8_t> finish() {
        if (low_ != 0) out_.push_back(static_cast<uint8_t>((low_ >> 24) + 1));
        while (!out_.empty() && out_.back() == 0) out_.pop_back();
        return std::move(out_);
    }

  private:
    uint32_t next() { return at_ < size_ ? data_[at_++] : 0; }

    uint32_t low_ = 0, high_ = 0xffffffffu, code_ = 0;
    const uint8_t* data_ = nullptr;
    size_t size_ = 0, at_ = 0;
    std::vector<uint8_t> out_;
};

}  // namespace inif
