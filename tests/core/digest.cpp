// What the compiled core makes of images from a fixed generator, as digests: the same on every
// machine, whatever the compiler. It needs no Python:
//
//     digest TABLES NETWORKS
//
// with the unpacked tables and the networks of repair that are shipped. Prints a line for each part
// of the core; exits with 1 if a stream does not decode to what was coded.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "../../src/core/band.hpp"
#include "../../src/core/lifting.hpp"
#include "../../src/core/planes.hpp"
#include "../../src/core/repair.hpp"

using namespace inif;

namespace {

// Numbers, by value: the order of bytes in memory does not count.
class Digest {
  public:
    explicit Digest(const char* name) : name_(name) {}

    template <class Values>
    void add(const Values& values) {
        for (const auto v : values) number(v);
        number(static_cast<int32_t>(std::size(values)));
    }
    void number(float v) {
        uint32_t bits;
        std::memcpy(&bits, &v, 4);
        bytes(bits);
    }
    void number(double v) {
        uint64_t bits;
        std::memcpy(&bits, &v, 8);
        bytes(bits);
    }
    template <class Integer>
    void number(Integer v) {
        bytes(static_cast<uint64_t>(static_cast<int64_t>(v)));
    }
    void print() const {
        std::printf("%-10s %016llx\n", name_, static_cast<unsigned long long>(hash_));
    }

  private:
    void bytes(uint64_t v) {  // FNV-1a
        for (int i = 0; i < 8; i++) hash_ = (hash_ ^ ((v >> 8 * i) & 255)) * 1099511628211u;
    }
    const char* name_;
    uint64_t hash_ = 14695981039346656037u;
};

struct Digests {
    Digest functions{"functions"}, split{"split"}, norms{"norms"}, bits{"bits"}, latents{"latents"},
        streams{"streams"}, joined{"joined"}, repaired{"repaired"};

    void print() const {
        for (const Digest* d :
             {&functions, &split, &norms, &bits, &latents, &streams, &joined, &repaired})
            d->print();
    }
};

class Numbers {  // Vigna 2015, splitmix64
  public:
    explicit Numbers(uint64_t seed) : state_(seed) {}
    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    int below(int n) { return static_cast<int>(next() % static_cast<uint64_t>(n)); }

  private:
    uint64_t state_;
};

using Floats = std::vector<float>;
using Integers = std::vector<int32_t>;

struct Shape {
    int planes, height, width;
    size_t size() const { return static_cast<size_t>(planes) * height * width; }
};

struct Plane {  // planes of one shape
    Shape shape;
    Floats values;
};

// Spots and steps with noise, in eighths.
Plane image(Shape s, Numbers& numbers) {
    Plane out{s, Floats(s.size())};
    std::vector<int> spot;
    for (int k = 0; k < 24; k++) spot.push_back(numbers.below(1 << 14));
    size_t at = 0;
    for (int p = 0; p < s.planes; p++)
        for (int y = 0; y < s.height; y++)
            for (int x = 0; x < s.width; x++) {
                int v = 800 + numbers.below(160) + numbers.below(160) + (x > s.width / 2 ? 3000 : 0);
                for (int k = 0; k < 24; k += 3) {
                    const int dy = y - spot[k] % s.height, dx = x - spot[k + 1] % s.width;
                    v += 40 * (400 + spot[k + 2]) / (12 + dx * dx + dy * dy + 20 * p * p);
                }
                out.values[at++] = static_cast<float>(v) / 8;
            }
    return out;
}

struct Parts {
    Plane low, right, down, both;  // not high; high along X; along Y; along both
};

// One level in the plane.
Parts analysed(const Plane& x, Digest& digest) {
    const Shape s = x.shape;
    const auto halves = [&](int axis, const Plane& from) {
        Shape low = from.shape, high = from.shape;
        int& n = axis ? low.width : low.height;
        const int length = n;
        n = (length + 1) / 2;
        (axis ? high.width : high.height) = length / 2;
        std::pair<Plane, Plane> out{{low, Floats(low.size())}, {high, Floats(high.size())}};
        const long outer = axis ? static_cast<long>(s.planes) * from.shape.height : s.planes;
        split(from.values.data(), out.first.values.data(), out.second.values.data(), outer, length,
              axis ? 1 : from.shape.width, 0);
        digest.add(out.first.values);
        digest.add(out.second.values);
        return out;
    };
    auto [low, right] = halves(1, x);
    auto [a, c] = halves(0, low);
    auto [b, d] = halves(0, right);
    return {a, b, c, d};
}

// Kinds of lifting along the planes, there and back in both ways.
void lift(const Plane& x, Digests& out) {
    const Shape s = x.shape;
    const long inner = static_cast<long>(s.height) * s.width;
    for (int kind = 0; kind < 3; kind++) {
        Floats low((s.planes + 1) / 2 * inner), high(s.planes / 2 * inner), back(s.size());
        split(x.values.data(), low.data(), high.data(), 1, s.planes, inner, kind);
        out.split.add(low);
        out.split.add(high);
        join(low.data(), high.data(), back.data(), 1, s.planes, inner, kind);
        out.joined.add(back);
        Floats rows(x.values);
        join_in_place(rows.data(), s.planes, s.height, s.width, kind, 1, s.width);
        out.joined.add(rows);
        for (int level = 0; level < 4; level++)
            for (const bool above : {false, true}) {
                const int length = 90 + 7 * level, n = low_length(length, level);
                Floats norm(above ? n / 2 : (n + 1) / 2);
                norms(length, level, above, kind, norm.data());
                out.norms.add(norm);
            }
    }
}

// Codes the bands of two levels, from coarse to fine, as the product does.
class Level {
  public:
    Level(const Model& model, const uint8_t* data, size_t size)
        : model_(model), coder_(data, size) {}
    explicit Level(const Model& model) : model_(model) {}

    void begin(Shape largest) {
        sibling_ = {largest.planes + 2, largest.height + 2, largest.width + 2};
        sums_.assign(sibling_.size(), 0);
    }

    // How latents are chosen; null to decode.
    double band(Mode mode, const Shape& s, int level, int kind, const Choice* choice,
                const Integers* parent, Shape above, Integers& latents, Floats* spent) {
        Integers earlier(3 * s.planes, -1), parent_of(s.planes), sibling_of(s.planes);
        for (int p = 0; p < s.planes; p++) {
            for (int k = 0; k < 3 && k < p; k++) earlier[3 * p + k] = p - 1 - k;
            parent_of[p] = std::min(p, above.planes - 1);
            sibling_of[p] = p + 1;
        }
        const Band band{s.planes, s.height, s.width, level, kind, kind % 2 ? 8 : 4, earlier.data(),
                        parent ? parent->data() : nullptr, above.planes, above.height, above.width,
                        parent_of.data(), sums_.data(), sibling_.height - 2, sibling_.width - 2,
                        sibling_of.data()};
        latents.resize(s.size());
        const int side = band.side;
        if (spent)
            spent->assign(static_cast<size_t>(s.planes) * ((s.height + side - 1) / side) *
                              ((s.width + side - 1) / side), 0);
        return code_band(mode, model_, coder_, band, choice, latents.data(),
                         spent ? spent->data() : nullptr);
    }

    double low(Mode mode, const Shape& s, Integers& latents) {
        Integers earlier(3 * s.planes, -1);
        for (int p = 1; p < s.planes; p++) earlier[3 * p] = p - 1;
        latents.resize(s.size());
        return code_low(mode, model_, coder_, s.planes, s.height, s.width, earlier.data(),
                        latents.data());
    }

    std::vector<uint8_t> finish() { return coder_.finish(); }

  private:
    Model model_;
    RangeCoder coder_;
    Shape sibling_{};
    std::vector<int16_t> sums_;
};

struct Case {
    Plane of;
    int level, kind;
    int parent;  // number of the case that is looked at, or -1
};

// The latents of an image, coded and decoded.
std::vector<Integers> coded(const std::vector<Case>& cases, Integers low, Shape low_shape,
                            const Model& model, float step, bool weighted, Digests& out) {
    std::vector<Integers> chosen(cases.size()), read(cases.size());
    std::vector<Floats> spent(cases.size());
    std::vector<Floats> weights;
    Numbers numbers(7);
    for (const Case& c : cases) {
        Floats w(c.of.shape.size());
        for (float& v : w) v = static_cast<float>(numbers.below(300)) / 128;
        weights.push_back(w);
    }
    double bits = 0, after = 0;
    std::vector<uint8_t> data;
    for (const Mode mode : {Mode::estimate, Mode::encode}) {
        const bool writes = mode == Mode::encode;
        Level coder(model);
        if (writes) after = bits;
        Integers same = low;
        coder.low(mode, low_shape, same);
        for (size_t k = 0; k < cases.size(); k++) {
            const Case& c = cases[k];
            if (c.kind == 1) coder.begin(c.of.shape);
            Floats planned = spent[k];
            for (const float b : planned) after -= b;
            const Choice choice{c.of.values.data(), weighted ? weights[k].data() : nullptr, nullptr,
                                step, 0.11f, 0.5f, 0.98f, 0.0f,
                                writes ? planned.data() : nullptr, 0.9 * (after + bits / 4), after};
            const Integers* parent = c.parent < 0 ? nullptr : &chosen[c.parent];
            const Shape above = c.parent < 0 ? Shape{1, 1, 1} : cases[c.parent].of.shape;
            bits += coder.band(mode, c.of.shape, c.level, c.kind, &choice, parent, above, chosen[k],
                               &spent[k]);
            out.latents.add(chosen[k]);
            out.bits.add(spent[k]);
        }
        out.bits.number(bits);
        if (writes) data = coder.finish();
    }
    out.streams.add(data);
    Level decoder(model, data.data(), data.size());
    Integers same;
    decoder.low(Mode::decode, low_shape, same);
    if (same != low) throw std::runtime_error("the low grid was not decoded");
    for (size_t k = 0; k < cases.size(); k++) {
        const Case& c = cases[k];
        if (c.kind == 1) decoder.begin(c.of.shape);
        const Integers* parent = c.parent < 0 ? nullptr : &read[c.parent];
        const Shape above = c.parent < 0 ? Shape{1, 1, 1} : cases[c.parent].of.shape;
        decoder.band(Mode::decode, c.of.shape, c.level, c.kind, nullptr, parent, above, read[k],
                     nullptr);
        if (read[k] != chosen[k]) throw std::runtime_error("a band was not decoded");
    }
    // Any bytes are latents.
    for (size_t i = data.size() / 3; i < data.size(); i += 5) data[i] ^= 0x24;
    Level damaged(model, data.data(), data.size());
    damaged.begin(cases[0].of.shape);
    damaged.band(Mode::decode, cases[0].of.shape, 1, 1, nullptr, nullptr, {1, 1, 1}, read[0],
                 nullptr);
    out.latents.add(read[0]);
    return chosen;
}

Quarter quarter(const Plane& p, const Integers* latents, const Floats& down, const Floats& across) {
    return {latents ? nullptr : p.values.data(), latents ? latents->data() : nullptr,
            latents ? down.data() : nullptr, latents ? across.data() : nullptr, p.shape.height,
            p.shape.width};
}

// One level of the plane from latents.
Plane joined(const Shape& s, const Plane& low, const std::vector<Case>& cases, size_t first,
             const std::vector<Integers>& latents, int level, float step, Digests& out) {
    Floats down[2], across[2], scratch(s.width);
    for (const bool high : {false, true}) {
        down[high].resize(high ? s.height / 2 : (s.height + 1) / 2);
        across[high].resize(high ? s.width / 2 : (s.width + 1) / 2);
        norms(s.height << level, level, high, 0, down[high].data());
        norms(s.width << level, level, high, 0, across[high].data());
    }
    const Quarter quarters[4] = {quarter(low, nullptr, down[0], across[0]),
                                 quarter(cases[first].of, &latents[first], down[0], across[1]),
                                 quarter(cases[first + 1].of, &latents[first + 1], down[1], across[0]),
                                 quarter(cases[first + 2].of, &latents[first + 2], down[1], across[1])};
    Plane whole{s, Floats(s.size())};
    for (int p = 0; p < s.planes; p++)
        join_plane(quarters, p, 1.25f, 0.75f, {step, 0.98f}, s.height, s.width, scratch.data(),
                   whole.values.data() + static_cast<size_t>(p) * s.height * s.width);
    out.joined.add(whole.values);
    return whole;
}

void run(Shape shape, uint64_t seed, float step, const Model& model,
         const std::vector<RepairNet>& nets, Digests& out) {
    Numbers numbers(seed);
    Plane x = image(shape, numbers);
    lift(x, out);
    if (seed % 2) {  // what no image has
        x.values[5] = std::numeric_limits<float>::quiet_NaN();
        x.values[shape.size() / 2] = 3e38f;
    }
    Digest whatever("");  // a NaN's bits are the machine's own
    Digest& digest = seed % 2 ? whatever : out.split;
    const Parts fine = analysed(x, digest), coarse = analysed(fine.low, digest);
    const std::vector<Case> cases = {{coarse.right, 1, 1, -1}, {coarse.down, 1, 2, -1},
                                     {coarse.both, 1, 3, -1},  {fine.right, 0, 1, 0},
                                     {fine.down, 0, 2, 1},     {fine.both, 0, 3, 2}};
    Integers low;
    for (const float v : coarse.low.values) {
        const float limit = (1 << 23) - 1, q = v / step;
        low.push_back(static_cast<int32_t>(q < limit ? q > -limit ? q : -limit : limit));
    }
    const auto latents = coded(cases, low, coarse.low.shape, model, step, seed % 3 == 0, out);
    Plane start{coarse.low.shape, {}};
    for (const int32_t q : low) start.values.push_back(static_cast<float>(q) * step);
    const Plane middle = joined(fine.low.shape, start, cases, 0, latents, 1, step, out);
    const Plane back = joined(shape, middle, cases, 3, latents, 0, step, out);
    for (const RepairNet& net : nets) {
        Floats correction(shape.size());
        repair(back.values.data(), shape.planes, shape.height, shape.width, step, net,
               {0, shape.planes, 0, shape.height}, correction.data());
        out.repaired.add(correction);
    }
}

std::vector<uint8_t> contents(const char* name) {
    std::ifstream file(name, std::ios::binary);
    if (!file) throw std::runtime_error(std::string("cannot read ") + name);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 3) throw std::runtime_error("usage: digest TABLES NETWORKS");
    const auto tables = contents(argv[1]), networks = contents(argv[2]);
    Model model;
    model.load(tables.data(), tables.size());
    const size_t first = RepairNet::bytes(false);
    const std::vector<RepairNet> nets = {RepairNet(networks.data(), first),
                                         RepairNet(networks.data() + first, networks.size() - first)};
    Digests out;
    const Functions& f = kFunctions;
    out.functions.add(f.stretch);
    out.functions.add(f.squash);
    out.functions.add(f.known);
    out.functions.add(f.level);
    out.functions.add(f.activity);
    out.functions.add(f.bits);
    run({3, 70, 93}, 0, 8, model, nets, out);
    run({1, 131, 64}, 1, 40, model, nets, out);
    run({4, 33, 47}, 2, 1.5f, model, nets, out);
    run({2, 96, 80}, 3, 0.3f, model, nets, out);
    run({5, 17, 129}, 4, 150, model, nets, out);
    run({2, 64, 64}, 6, 25, Model(), nets, out);
    std::vector<uint8_t> stored(model.bytes());
    model.store(stored.data());
    if (stored != tables) throw std::runtime_error("the tables were stored as others");
    out.print();
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
}
