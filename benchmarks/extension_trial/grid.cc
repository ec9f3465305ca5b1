// The mean at x2 of bytes with local planes, as `grid2_rows` of kernels/grid.py computes it: words
// of eight slots, two phases with steady offsets, overshoot bounds, a border of repeated pixels.
// Every operation is rounded, in the order of the specification.
#include <algorithm>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "grid.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#include "arguments.h"

HWY_BEFORE_NAMESPACE();
namespace lerf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kSegment = 512;  // source columns that are handled at once
constexpr int64_t kPitch = kSegment + 32;
enum Plane { kLevel, kRow, kCross, kCol, kRowSlope, kColSlope, kPlanes };

using Floats = hn::ScalableTag<float>;
using Ints = hn::RebindToSigned<Floats>;
using F = hn::Vec<Floats>;
using I = hn::Vec<Ints>;

template <int kSlot>
HWY_INLINE F Slot(I low, I high) {
  const Ints di;
  const I word = kSlot < 4 ? low : high;
  return hn::ConvertTo(Floats(), hn::And(hn::ShiftRight<8 * (kSlot % 4)>(word), hn::Set(di, 255)));
}

// Unpack source columns first - 1 ... first + n of a row, the border's repeated.
HWY_INLINE void UnpackLine(const uint64_t* row, int64_t width, int64_t first, int64_t n,
                           float* HWY_RESTRICT line) {
  const Floats d;
  const Ints di;
  const F bias = hn::Set(d, kLocalPlaneBias), top = hn::Set(d, kTop);
  const int64_t least = std::max(first - 1, int64_t{0}), last = std::min(first + n + 1, width);
  const int64_t skip = least - (first - 1), step = hn::Lanes(d);
  for (int64_t x = 0; x < last - least; x += step) {
    alignas(64) uint64_t rest[hn::MaxLanes(d)] = {};
    const uint64_t* words = row + least + x;
    if (x + step > last - least) {
      std::copy(words, row + last, rest);
      words = rest;
    }
    I low, high;
    hn::LoadInterleaved2(di, reinterpret_cast<const int32_t*>(words), low, high);
    float* to = line + skip + x;
    const F sigma_row = Slot<2>(low, high), sigma_col = Slot<3>(low, high);
    const F rho = Slot<1>(low, high);
    hn::StoreU(hn::Mul(sigma_row, sigma_row), d, to + kPitch * kRow);
    hn::StoreU(hn::Mul(hn::Sub(hn::Add(rho, rho), top), hn::Mul(sigma_row, sigma_col)), d,
               to + kPitch * kCross);
    hn::StoreU(hn::Mul(sigma_col, sigma_col), d, to + kPitch * kCol);
    const F residual = hn::Mul(hn::Sub(Slot<6>(low, high), bias), hn::Set(d, kResidualUnit));
    hn::StoreU(hn::Add(Slot<0>(low, high), residual), d, to + kPitch * kLevel);
    const F unit = hn::Set(d, kSlopeUnit);
    hn::StoreU(hn::Mul(hn::Sub(Slot<4>(low, high), bias), unit), d, to + kPitch * kRowSlope);
    hn::StoreU(hn::Mul(hn::Sub(Slot<5>(low, high), bias), unit), d, to + kPitch * kColSlope);
  }
  for (float* plane = line; plane < line + kPitch * kPlanes; plane += kPitch) {
    if (first == 0) plane[0] = plane[1];
    if (first + n == width) plane[n + 1] = plane[n];
  }
}

// An offset's factors in exponents.
struct Offset {
  F row_term, both, col_term, dy, dx;
  HWY_INLINE Offset(float y, float x) {
    const Floats d;
    row_term = hn::Set(d, kSquareSteps * (y * y));
    both = hn::Set(d, (kCrossSteps * x) * y);
    col_term = hn::Set(d, kSquareSteps * (x * x));
    dy = hn::Set(d, y);
    dx = hn::Set(d, x);
  }
};

HWY_INLINE F Exponent(const float* line, const Offset& at) {
  const Floats d;
  const F row = hn::Mul(hn::LoadU(d, line + kPitch * kRow), at.row_term);
  const F cross = hn::Mul(hn::LoadU(d, line + kPitch * kCross), at.both);
  const F col = hn::Mul(hn::LoadU(d, line + kPitch * kCol), at.col_term);
  return hn::Min(hn::Add(hn::Add(row, cross), col), hn::Set(d, kExponentTop));
}

HWY_INLINE F Value(const float* line, const Offset& at) {
  const Floats d;
  const F col = hn::Mul(hn::LoadU(d, line + kPitch * kColSlope), at.dx);
  const F row = hn::Mul(hn::LoadU(d, line + kPitch * kRowSlope), at.dy);
  return hn::Add(hn::Add(hn::LoadU(d, line + kPitch * kLevel), col), row);
}

// kFirstWeight * 2**(first - exponent) of exponents in steps of 2**-23.
HWY_INLINE F RelativeWeight(F exponent, F first) {
  const Floats d;
  const Ints di;
  const I steps = hn::ConvertInRangeTo(di, hn::Sub(first, exponent));
  const I below = hn::And(steps, hn::Set(di, (1 << 23) - 1));
  const F m = hn::BitCast(d, hn::Or(below, hn::Set(di, 0x3F800000)));
  F power = hn::Set(d, kPolynomial[4]);
  for (int k = 3; k >= 0; --k) power = hn::Add(hn::Mul(power, m), hn::Set(d, kPolynomial[k]));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, power), hn::And(steps, hn::Set(di, -(1 << 23)))));
}

HWY_INLINE F MeanOfFour(F e00, F e01, F e10, F e11, F v00, F v01, F v10, F v11) {
  const F w00 = hn::Set(Floats(), kFirstWeight);
  const F w01 = RelativeWeight(e01, e00), w10 = RelativeWeight(e10, e00);
  const F w11 = RelativeWeight(e11, e00);
  const F total = hn::Add(hn::Add(hn::Add(w00, w01), w10), w11);
  const F upper = hn::Mul(w01, hn::Sub(v01, v00)), lower = hn::Mul(w10, hn::Sub(v10, v00));
  const F change = hn::Add(hn::Add(upper, lower), hn::Mul(w11, hn::Sub(v11, v00)));
  return hn::Add(v00, hn::Div(change, total));
}

// Means of one phase, rounded and within bounds.
HWY_INLINE void Blend(const float* upper, const float* lower, float dy0, float dy1, float dx0,
                      float dx1, const float* low, const float* high, int64_t n,
                      uint8_t* HWY_RESTRICT out) {
  const Floats d;
  const Ints di;
  const hn::Rebind<uint8_t, Floats> d8;
  const Offset at00(dy0, dx0), at01(dy0, dx1), at10(dy1, dx0), at11(dy1, dx1);
  for (int64_t x = 0; x < n; x += hn::Lanes(d)) {
    const float *l00 = upper + x, *l01 = l00 + 1, *l10 = lower + x, *l11 = l10 + 1;
    F mean = MeanOfFour(Exponent(l00, at00), Exponent(l01, at01), Exponent(l10, at10),
                        Exponent(l11, at11), Value(l00, at00), Value(l01, at01),
                        Value(l10, at10), Value(l11, at11));
    mean = hn::Min(hn::Max(mean, hn::LoadU(d, low + x)), hn::LoadU(d, high + x));
    // The low byte of the mantissa is the rounded level.
    const I bits = hn::BitCast(di, hn::Add(mean, hn::Set(d, kRoundF32)));
    hn::StoreU(hn::TruncateTo(d8, hn::BitCast(hn::RebindToUnsigned<Ints>(), bits)), d8, out + x);
  }
}

// The bounds of cells start ... start + n.
HWY_INLINE void FindBounds(const GridArguments& a, int64_t row, int64_t start, int64_t n,
                           float* bounds) {
  for (int side = 0; side < 2; ++side, bounds += kPitch) {
    if (row < 0) {
      std::fill(bounds, bounds + n + 1, side == 0 ? 0.0f : kTop);
      continue;
    }
    const uint8_t* from = a.cell_bounds + (side * a.cell_rows + row) * a.cell_cols + start;
    for (int64_t x = 0; x <= n; ++x) bounds[x] = from[x];
  }
}

void Grid2Rows(const GridArguments& a) {
  std::vector<float> lines(2 * kPitch * kPlanes), bounds(2 * kPitch);
  std::vector<uint8_t> phase_rows(2 * kPitch);
  for (int64_t first = 0; first < a.width; first += kSegment) {
    const int64_t n = std::min(kSegment, a.width - first);
    int64_t line_rows[2] = {-1, -1}, bounds_cell = -2;
    for (int64_t y = a.top; y < a.bottom; ++y) {
      const float* taps[2];
      for (int tap = 0; tap < 2; ++tap) {
        const int64_t row = a.row_index[tap * a.out_rows + y];
        const int64_t other = a.row_index[(1 - tap) * a.out_rows + y];
        int slot = line_rows[1] == row;
        if (line_rows[slot] != row) {
          slot = line_rows[0] == other;
          line_rows[slot] = row;
          UnpackLine(a.pixels + row * a.width, a.width, first, n,
                     &lines[slot * kPitch * kPlanes]);
        }
        taps[tap] = &lines[slot * kPitch * kPlanes];
      }
      if (a.row_cell[y] != bounds_cell) {
        bounds_cell = a.row_cell[y];
        FindBounds(a, bounds_cell, first, n, bounds.data());
      }
      const float dy0 = a.row_offset[y], dy1 = a.row_offset[a.out_rows + y];
      for (int phase = 0; phase < 2; ++phase) {
        Blend(taps[0] + phase, taps[1] + phase, dy0, dy1, a.col_offset[phase],
              a.col_offset[2 + phase], &bounds[phase], &bounds[kPitch + phase], n,
              &phase_rows[phase * kPitch]);
      }
      const hn::ScalableTag<uint8_t> d8;
      uint8_t* out = a.out + y * 2 * a.width + 2 * first;
      int64_t x = 0;
      for (; x + static_cast<int64_t>(hn::Lanes(d8)) <= n; x += hn::Lanes(d8)) {
        hn::StoreInterleaved2(hn::LoadU(d8, &phase_rows[x]), hn::LoadU(d8, &phase_rows[kPitch + x]),
                              d8, out + 2 * x);
      }
      for (; x < n; ++x) {
        out[2 * x] = phase_rows[x];
        out[2 * x + 1] = phase_rows[kPitch + x];
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lerf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lerf {
HWY_EXPORT(Grid2Rows);
}
LERF_EXPORT void lerf_grid2_rows(const lerf::GridArguments* arguments) {
  using namespace lerf;
  HWY_DYNAMIC_DISPATCH(Grid2Rows)(*arguments);
}
LERF_EXPORT void lerf_limit_targets(int64_t targets) { hwy::SetSupportedTargetsForTest(targets); }
LERF_EXPORT int64_t lerf_targets() { return hwy::SupportedTargets(); }
#endif
