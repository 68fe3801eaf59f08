// The extension `inif.latent._core`: coder, lifting and repair for Python. It holds no state of its
// own and releases the interpreter while it works.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <stdexcept>

#include "band.hpp"
#include "finish.hpp"
#include "lifting.hpp"
#include "planes.hpp"
#include "repair.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace inif {
namespace {

template <class T, size_t N>
using Array = nb::ndarray<const T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T, size_t N>
using Changed = nb::ndarray<T, nb::ndim<N>, nb::c_contig, nb::device::cpu>;
template <class T>
using Made = nb::ndarray<nb::numpy, T>;
using Changed1 = nb::ndarray<nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void need(bool good, const char* what) {
    if (!good) throw std::invalid_argument(what);
}

constexpr size_t kMostNumbers = size_t{1} << 28;  // in one array

// How many numbers an array has, with a margin along each axis; not more than fit into memory.
size_t numbers_in(const std::vector<size_t>& shape, const std::vector<size_t>& margin = {0, 0, 0}) {
    size_t size = 1;
    for (size_t axis = 0; axis < shape.size(); axis++) {
        need(shape[axis] <= kMostNumbers, "an array of at most 2^28 numbers");
        size *= shape[axis] + margin[axis];
        need(size <= kMostNumbers, "an array of at most 2^28 numbers");
    }
    return size;
}

template <class T>
Made<T> made(std::vector<size_t> shape) {
    const size_t size = numbers_in(shape);
    T* p = new T[size ? size : 1];
    nb::capsule owner(p, [](void* q) noexcept { delete[] static_cast<T*>(q); });
    return Made<T>(p, shape.size(), shape.data(), owner);
}

template <class A>
void need_below(const A& numbers, int least, int most, const char* what) {
    const auto* p = numbers.data();
    const size_t size = numbers.size();
    bool good = true;
    for (size_t i = 0; i < size; i++) good &= p[i] >= least && p[i] < most;
    need(good, what);
}

// Coded planes come before those that look at them.
void need_earlier(const Array<int32_t, 2>& earlier) {
    need(earlier.shape(1) == 3, "earlier: (planes, 3) numbers");
    for (size_t i = 0; i < earlier.shape(0); i++)
        for (int k = 0; k < 3; k++) {
            const int32_t r = earlier.data()[3 * i + k];
            need(r >= -1 && r < static_cast<int64_t>(i), "earlier: planes before this one");
        }
}

// One stream: bits are estimated, written or read.
class Stream {
  public:
    Stream(Model& model, bool writes) : model_(model), mode_(writes ? Mode::encode : Mode::estimate) {}
    Stream(Model& model, nb::bytes data)
        : model_(model), mode_(Mode::decode),
          data_(static_cast<const uint8_t*>(data.data()),
                static_cast<const uint8_t*>(data.data()) + data.size()),
          coder_(data_.data(), data_.size()) {}

    Made<int32_t> band(std::vector<size_t> shape, int level, int kind, int side,
                       Array<int32_t, 2> earlier, std::optional<Array<int32_t, 3>> parent,
                       Array<int32_t, 1> parent_of, Changed<int16_t, 3> siblings,
                       Array<int32_t, 1> sibling_of, std::optional<Array<float, 3>> values,
                       std::optional<Array<int32_t, 3>> most, std::optional<Array<float, 3>> weights,
                       float step, float lambda, float dead_zone, float one, float rest,
                       std::optional<Changed<float, 3>> spent,
                       std::optional<Array<float, 3>> planned, double left, double after) {
        need(shape.size() == 3 && shape[0] && shape[1] && shape[2], "a shape of three axes");
        numbers_in(shape, {1, 6, 8});
        need(level >= 0 && level < 6 && kind >= 0 && kind < 8, "level 0 ... 5, kind 0 ... 7");
        need(side == 4 || side == 8, "blocks of 4 or 8");
        const size_t n = shape[0];
        const auto alike = [&](const auto& a) {
            return a.shape(0) == shape[0] && a.shape(1) == shape[1] && a.shape(2) == shape[2];
        };
        need(earlier.shape(0) == n && sibling_of.shape(0) == n, "one row for each plane");
        need_earlier(earlier);
        need(siblings.shape(1) >= shape[1] + 2 && siblings.shape(2) >= shape[2] + 2 &&
                 siblings.shape(0) >= 2,
             "siblings: at least the band and a margin");
        // The planes before and after are looked at too.
        need(siblings.size() <= kMostNumbers, "siblings: at most 2^28 numbers");
        need_below(sibling_of, 1, static_cast<int>(siblings.shape(0)) - 1, "sibling_of: planes");
        need_below(siblings, 0, 256, "siblings: sums of at most 255");
        Band b{static_cast<int>(n), static_cast<int>(shape[1]), static_cast<int>(shape[2]), level,
               kind, side, earlier.data(), nullptr, 0, 0, 0, nullptr, siblings.data(),
               static_cast<int>(siblings.shape(1)) - 2, static_cast<int>(siblings.shape(2)) - 2,
               sibling_of.data()};
        if (parent) {
            need(parent_of.shape(0) == n, "one parent for each plane");
            need_below(parent_of, 0, static_cast<int>(parent->shape(0)), "parent_of: planes");
            need(parent->size() > 0, "a parent of some size");
            numbers_in({parent->shape(0), parent->shape(1), parent->shape(2)}, {2, 2, 2});
            b.parent = parent->data();
            b.parents = static_cast<int>(parent->shape(0));
            b.parent_height = static_cast<int>(parent->shape(1));
            b.parent_width = static_cast<int>(parent->shape(2));
            b.parent_of = parent_of.data();
        }
        Choice c{values ? values->data() : nullptr, weights ? weights->data() : nullptr,
                 most ? most->data() : nullptr, step, lambda, dead_zone, one, rest,
                 planned ? planned->data() : nullptr, left, after};
        if (mode_ != Mode::decode) {
            need(values || most, "values or latents");
            need(!values || alike(*values), "values of the band's shape");
            need(!most || alike(*most), "latents of the band's shape");
            if (most) need_below(*most, -kMostCoded, kMostCoded + 1, "latents of at most 20 bits");
            need(!weights || alike(*weights), "weights of the band's shape");
            need(std::isfinite(step) && step > 0, "a step above 0");
            need(lambda >= 0 && dead_zone >= 0 && dead_zone <= 1, "lambda, and a dead zone to 1");
        }
        const auto of_blocks = [&](const auto& a) {
            return a.shape(0) == n && a.shape(1) == (shape[1] + side - 1) / side &&
                   a.shape(2) == (shape[2] + side - 1) / side;
        };
        need(!spent || of_blocks(*spent), "spent: one number for each block");
        need(!planned || of_blocks(*planned), "planned: one number for each block");
        need(std::isfinite(left) && std::isfinite(after), "numbers of bits");
        auto out = made<int32_t>(shape);
        int32_t* latents = out.data();
        float* to = spent ? spent->data() : nullptr;
        nb::gil_scoped_release quiet;
        bits_ += code_band(mode_, model_, coder_, b, &c, latents, to);
        return out;
    }

    Made<int32_t> low(std::vector<size_t> shape, Array<int32_t, 2> earlier,
                      std::optional<Array<int32_t, 3>> latents) {
        need(shape.size() == 3 && shape[0] && shape[1] && shape[2], "a shape of three axes");
        need(earlier.shape(0) == shape[0], "one row for each plane");
        need_earlier(earlier);
        auto out = made<int32_t>(shape);
        if (mode_ != Mode::decode) {
            need(latents && latents->shape(0) == shape[0] && latents->shape(1) == shape[1] &&
                     latents->shape(2) == shape[2],
                 "latents of this shape");
            need_below(*latents, -(1 << 24), 1 << 24, "latents of at most 24 bits");
            std::copy_n(latents->data(), out.size(), out.data());
        }
        int32_t* q = out.data();
        const int planes = static_cast<int>(shape[0]);
        nb::gil_scoped_release quiet;
        bits_ += code_low(mode_, model_, coder_, planes, static_cast<int>(shape[1]),
                          static_cast<int>(shape[2]), earlier.data(), q);
        return out;
    }

    nb::bytes finish() {
        const auto out = coder_.finish();
        coder_ = RangeCoder();
        return nb::bytes(out.data(), out.size());
    }

    double bits() const { return bits_; }
    size_t size() const { return coder_.size(); }

  private:
    Model& model_;
    Mode mode_;
    std::vector<uint8_t> data_;
    RangeCoder coder_;
    double bits_ = 0;
};

nb::tuple split_axis(Array<float, 3> x, int kind) {
    need(kind >= 0 && kind < 3 && x.size() > 0, "a kind of 0 ... 2");
    need(x.size() <= kMostNumbers, "an array of at most 2^28 numbers");
    const size_t a = x.shape(0), n = x.shape(1), b = x.shape(2);
    auto low = made<float>({a, (n + 1) / 2, b}), high = made<float>({a, n / 2, b});
    {
        float *to = low.data(), *too = high.data();
        nb::gil_scoped_release quiet;
        split(x.data(), to, too, a, static_cast<int>(n), b, kind);
    }
    return nb::make_tuple(low, high);
}

Made<float> join_axis(Array<float, 3> low, Array<float, 3> high, int kind) {
    const size_t a = low.shape(0), n = low.shape(1) + high.shape(1), b = low.shape(2);
    need(kind >= 0 && kind < 3 && high.shape(0) == a && high.shape(2) == b &&
             low.shape(1) == (n + 1) / 2 && low.size() > 0,
         "low and high of one array");
    auto out = made<float>({a, n, b});
    float* to = out.data();
    nb::gil_scoped_release quiet;
    join(low.data(), high.data(), to, a, static_cast<int>(n), b, kind);
    return out;
}

void join_axis_in_place(Changed<float, 3> x, int kind, size_t first, size_t last) {
    need(kind >= 0 && kind < 3 && x.size() > 0 && x.size() <= kMostNumbers,
         "a kind of 0 ... 2, and an array of at most 2^28 numbers");
    need(first <= last && last <= x.shape(2), "columns first ... last of x");
    nb::gil_scoped_release quiet;
    join_in_place(x.data(), x.shape(0), static_cast<int>(x.shape(1)), x.shape(2), kind, first, last);
}

using Part = nb::ndarray<nb::ro, nb::ndim<3>, nb::c_contig, nb::device::cpu>;

// Joins planes first ... last - 1 of bands, into planes `places` of out.
void join_planes(Changed<float, 3> out, Array<int32_t, 1> places,
                 std::vector<std::optional<Part>> parts, bool samples, Array<float, 1> times,
                 Array<float, 1> depths, std::vector<Array<float, 1>> down,
                 std::vector<Array<float, 1>> across, float step, float one, int first, int last) {
    need(parts.size() == 4 && parts[0] && down.size() == 2 && across.size() == 2,
         "four parts, of which the first is there, and norms of two");
    const size_t height = out.shape(1), width = out.shape(2), planes = places.shape(0);
    need(out.size() > 0 && out.size() <= kMostNumbers, "out: at most 2^28 numbers");
    need_below(places, 0, static_cast<int>(out.shape(0)), "places: planes of out");
    need(first >= 0 && first <= last && static_cast<size_t>(last) <= planes, "planes first ... last");
    need(times.shape(0) == planes && depths.shape(0) == planes, "one norm for each plane");
    const bool split[2] = {parts[2].has_value(), parts[1].has_value()};
    need(parts[3].has_value() == (split[0] && split[1]), "parts of one plane");
    Quarter quarters[4] = {};
    for (int k = 0; k < 4; k++) {
        if (!parts[k]) continue;
        const Part& part = *parts[k];
        const size_t high = split[0] ? (height + (k < 2)) / 2 : height;
        const size_t wide = split[1] ? (width + (k % 2 == 0)) / 2 : width;
        need(part.shape(0) == planes && part.shape(1) == high && part.shape(2) == wide,
             "parts of one plane");
        const bool whole = part.dtype() == nb::dtype<int32_t>();
        need(whole || part.dtype() == nb::dtype<float>(), "parts of int32 or float32");
        Quarter& q = quarters[k];
        if (whole) q.latents = static_cast<const int32_t*>(part.data());
        else q.values = static_cast<const float*>(part.data());
        q.height = static_cast<int>(high), q.width = static_cast<int>(wide);
        if (k == 0 && samples) {
            need(!whole, "samples of float32");
            continue;
        }
        need(down[k / 2].shape(0) == high && across[k % 2].shape(0) == wide,
             "one norm for each row and column");
        q.down = down[k / 2].data(), q.across = across[k % 2].data();
    }
    float* to = out.data();
    nb::gil_scoped_release quiet;
    std::vector<float> scratch(width);
    for (int p = first; p < last; p++)
        join_plane(quarters, p, times.data()[p], depths.data()[p], {step, one},
                   static_cast<int>(height), static_cast<int>(width), scratch.data(),
                   to + places.data()[p] * height * width);
}

Made<float> norms_of(int length, int level, bool high, int kind) {
    need(length > 0 && length <= (1 << 28) && level >= 0 && level < 8 && kind >= 0 && kind < 3,
         "a length and a level");
    const int above = low_length(length, level);
    auto out = made<float>({static_cast<size_t>(high ? above / 2 : (above + 1) / 2)});
    float* to = out.data();
    nb::gil_scoped_release quiet;
    norms(length, level, high, kind, to);
    return out;
}

template <class T>
bool finish_as(const Changed1& out, const nb::dlpack::dtype& type, const float* values,
               const float* added, const Finish& f) {
    if (out.dtype() != type) return false;
    nb::gil_scoped_release quiet;
    finish(values, added, f, out.size(), static_cast<T*>(out.data()));
    return true;
}

// Values, corrected, as outputs (float32) or as samples (whole numbers of up to 16 bits).
void finish_into(Array<float, 1> values, std::optional<Array<float, 1>> added, float gain,
                 float scale, float unit, std::optional<Array<float, 1>> limits, Changed1 out) {
    need(values.size() == out.size() && (!added || added->size() == out.size()),
         "values, corrections and out of one size");
    need(scale > 0 && std::isfinite(scale), "a scale above 0");
    need(!limits || limits->size() == 4, "half a range, its middle and its ends");
    Finish f{gain, scale, unit, 1, 0, 0, 0};
    if (limits) {
        const float* l = limits->data();
        f.half = l[0], f.middle = l[1], f.low = l[2], f.high = l[3];
    }
    const float *from = values.data(), *more = added ? added->data() : nullptr;
    const bool known =
        limits ? finish_as<uint8_t>(out, nb::dtype<uint8_t>(), from, more, f) ||
                     finish_as<uint16_t>(out, nb::dtype<uint16_t>(), from, more, f) ||
                     finish_as<int8_t>(out, nb::dtype<int8_t>(), from, more, f) ||
                     finish_as<int16_t>(out, nb::dtype<int16_t>(), from, more, f)
               : finish_as<float>(out, nb::dtype<float>(), from, more, f);
    need(known, "out of float32, or with limits of whole numbers of up to 16 bits");
    need(!limits || (f.low >= -32768 && f.high <= 65535), "limits of 16 bits");
}

// The correction of planes first ... last - 1 of all stacks and rows top ... bottom - 1.
void repair_into(Array<float, 4> x, float step, nb::bytes net, Changed<float, 4> out, int first,
                 int last, int top, int bottom) {
    for (int i = 0; i < 4; i++) need(x.shape(i) == out.shape(i), "x and out of one shape");
    need(x.size() > 0 && x.size() <= size_t{1} << 30, "x of some size, at most 2^30 numbers");
    need(step > 0 && std::isfinite(step), "a step above 0");
    const int depth = static_cast<int>(x.shape(1)), height = static_cast<int>(x.shape(2));
    need(first >= 0 && first <= last && last <= static_cast<int>(x.shape(0)) * depth,
         "planes first ... last of x");
    need(top >= 0 && top <= bottom && bottom <= height &&
             top % kRepairSide == 0 && (bottom % kRepairSide == 0 || bottom == height),
         "rows top ... bottom of x, whole blocks");
    const RepairNet network(static_cast<const uint8_t*>(net.data()), net.size());
    nb::gil_scoped_release quiet;
    repair(x.data(), depth, height, static_cast<int>(x.shape(3)), step, network,
           {first, last, top, bottom}, out.data());
}

}  // namespace

NB_MODULE(_core, m) {
    nb::class_<Model>(m, "Model")
        .def(nb::init<>())
        .def("__init__",
             [](Model* self, nb::bytes data) {
                 auto fresh = std::make_unique<Model>();
                 fresh->load(static_cast<const uint8_t*>(data.data()), data.size());
                 new (self) Model(*fresh);
             })
        .def_prop_ro_static("size", [](nb::handle) { return Model().bytes(); })
        .def("copy", [](const Model& self) { return Model(self); })
        .def("cap",
             [](Model& self, int most) {
                 need(most >= 0 && most < 1024, "a count of 0 ... 1023");
                 self.cap(static_cast<uint32_t>(most));
             },
             "most"_a)
        .def("tune",
             [](Model& self, int limit, int speed) {
                 need(limit > 0 && limit <= 1000 && speed > 0 && speed <= 16, "limit and speed");
                 for (auto& mixer : self.mixers) mixer.limit = limit, mixer.speed = speed;
             },
             "limit"_a, "speed"_a)
        .def("expect",
             [](Model& self, Array<int32_t, 2> weights) {
                 need(weights.shape(0) == 32 && weights.shape(1) == 17, "(32, 17) weights");
                 std::copy_n(weights.data(), weights.size(), self.expectation.data());
             },
             "weights"_a)
        .def("store", [](const Model& self) {
            std::vector<uint8_t> out(self.bytes());
            self.store(out.data());
            return nb::bytes(out.data(), out.size());
        });
    nb::class_<Stream>(m, "Stream")
        .def("__init__", [](Stream* self, Model& model, bool writes) { new (self) Stream(model, writes); },
             "model"_a, "writes"_a, nb::keep_alive<1, 2>())
        .def("__init__", [](Stream* self, Model& model, nb::bytes data) { new (self) Stream(model, data); },
             "model"_a, "data"_a, nb::keep_alive<1, 2>())
        .def("band", &Stream::band, "shape"_a, "level"_a, "kind"_a, "side"_a, "earlier"_a,
             "parent"_a.none(), "parent_of"_a, "siblings"_a.noconvert(), "sibling_of"_a,
             "values"_a.none() = nb::none(), "most"_a.none() = nb::none(),
             "weights"_a.none() = nb::none(), "step"_a = 1.0f, "lambda_"_a = 0.0f,
             "dead_zone"_a = 0.5f, "one"_a = 0.94f, "rest"_a = -0.03f,
             "spent"_a.noconvert().none() = nb::none(), "planned"_a.none() = nb::none(),
             "left"_a = 0.0, "after"_a = 0.0)
        .def("low", &Stream::low, "shape"_a, "earlier"_a, "latents"_a.none() = nb::none())
        .def("finish", &Stream::finish)
        .def_prop_ro("bits", &Stream::bits)
        .def_prop_ro("size", &Stream::size);
    m.def("split", &split_axis, "x"_a, "kind"_a);
    m.def("join", &join_axis, "low"_a, "high"_a, "kind"_a);
    m.def("join_in_place", &join_axis_in_place, "x"_a.noconvert(), "kind"_a, "first"_a, "last"_a);
    m.def("join_planes", &join_planes, "out"_a.noconvert(), "places"_a, "parts"_a, "samples"_a,
          "times"_a, "depths"_a, "down"_a, "across"_a, "step"_a, "one"_a, "first"_a, "last"_a);
    m.def("repair", &repair_into, "x"_a, "step"_a, "net"_a, "out"_a.noconvert(), "first"_a, "last"_a, "top"_a,
          "bottom"_a);
    m.def("finish", &finish_into, "values"_a, "added"_a.none(), "gain"_a, "scale"_a, "unit"_a,
          "limits"_a.none(), "out"_a.noconvert());
    m.attr("REPAIR_BYTES") = nb::make_tuple(RepairNet::bytes(false), RepairNet::bytes(true));
    m.def("norms", &norms_of, "length"_a, "level"_a, "high"_a, "kind"_a);
}

}  // namespace inif
