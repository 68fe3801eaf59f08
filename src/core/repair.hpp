// A small pretrained network that corrects a decoded image, block of 4 x 4 samples by block.
//
// All of it is integers: samples are rounded to sixty-fourths of the quantiser's step, weights are
// 16 bits, so that every machine makes the same correction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace inif {

constexpr int kRepairSide = 4;  // of a block
constexpr int kRepairHidden = 80, kRepairSecond = 32, kRepairOut = kRepairSide * kRepairSide;
constexpr int kRepairLanes = 16;  // blocks that are worked on at once

// One layer: weights of two inputs side by side, for each output.
struct Layer {
    int pairs = 0, outputs = 0;
    std::vector<int32_t> weights;  // (outputs, pairs), each two int16, the first in the low half
    std::vector<int32_t> bias;
};

// A network; that of planes looks at the plane alone, that of stacks at those beside it too.
class RepairNet {
  public:
    // Throws std::invalid_argument unless the bytes are a network of one of the two kinds.
    RepairNet(const uint8_t* data, size_t size);
    static size_t bytes(bool stack);

    bool stack = false;
    Layer layers[3];
};

struct RepairRange {
    int first, last;   // planes of all stacks, one after the other
    int top, bottom;   // rows; top is a multiple of 4
};

// x: stacks of `depth` planes; writes the correction of a range into `out`, of x's shape.
void repair(const float* x, int depth, int height, int width, float step,
            const RepairNet& net, const RepairRange& range, float* out);

}  // namespace inif
