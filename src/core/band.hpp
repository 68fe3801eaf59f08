// One band of latents: quantised by rate and distortion, and coded by contexts.
#pragma once

#include <cstdint>

#include "mixing.hpp"
#include "range_coder.hpp"

namespace inif {

// A band and what is known beside it. Planes are coded in order, rows of blocks from top to bottom.
struct Band {
    int planes, height, width;
    int level, kind;         // 0 (finest) ... 5, and 0 ... 7: high along T or Z, along Y, along X
    int side;                // of blocks, 4 or 8
    const int32_t* earlier;  // (planes, 3): coded planes to look at, -1 for none
    const int32_t* parent;   // the band one level coarser, (parents, parent_height, parent_width)
    int parents, parent_height, parent_width;
    const int32_t* parent_of;  // (planes,)
    int16_t* siblings;         // sums of magnitudes of this level's bands, padded by one all around
    int sibling_height, sibling_width;
    const int32_t* sibling_of;  // (planes,)
};

constexpr int32_t kMostCoded = (1 << 20) + 1;  // the largest magnitude that a stream can hold

// How an encoder chooses latents: least distortion / step^2 + lambda x bits.
struct Choice {
    const float* values;   // (planes, height, width) coefficients; null: latents are given
    const float* weights;  // of the distortion, or null
    const int32_t* most;   // an earlier pass, none of whose empty blocks get latents; or null; the
                           // latents, if values are null
    float step, lambda, dead_zone, one, rest;  // reconstruction: 1 -> one, k -> k + rest

    // How many bits a writer has for this band and all that follow, what it is expected to spend on
    // each block, (planes, blocks down, blocks across), and on all that follow: lambda changes so
    // that the bits suffice. Null: it stays.
    const float* planned;
    double left, after;
};

// Codes a band: fills `latents`, or reads them where `mode` is decode. `spent`, if not null, gets
// the estimated bits of each block, (planes, blocks down, blocks across). Returns the bits.
double code_band(Mode mode, Model& model, RangeCoder& coder, const Band& band, const Choice* choice,
                 int32_t* latents, float* spent);

// Codes the coarsest band, predicted from its neighbours.
double code_low(Mode mode, Model& model, RangeCoder& coder, int planes, int height, int width,
                const int32_t* earlier, int32_t* latents);

}  // namespace inif
