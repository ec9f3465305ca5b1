// Stage 2 of lerf-p for bytes, as `stage_rows` of kernels/table_reads.py computes it: reads of
// eight lanes. All of it is integer arithmetic without overflow, but for the finishing division.
#include <algorithm>
#include <cstring>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "table_reads.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#include "arguments.h"

HWY_BEFORE_NAMESPACE();
namespace lerf {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kWidth = 256;    // columns of sets that are handled at once
constexpr size_t kCorners = 16;   // of a cell
constexpr size_t kLanes = 8;      // values of a read

using Bytes = hn::CappedTag<uint8_t, 64>;
using Words = hn::CappedTag<int32_t, 16>;

// Weights of the corners of the cells that sets of four bytes lie in: see `corner_weights`.
HWY_INLINE void CornerWeights(const uint8_t* const (&at)[4], unsigned bits, size_t count,
                              uint8_t* HWY_RESTRICT out) {
  const Bytes d;
  using V = hn::Vec<Bytes>;
  const V mask = hn::Set(d, static_cast<uint8_t>((1u << bits) - 1));
  const V cell = hn::Set(d, static_cast<uint8_t>(1u << bits));
  for (size_t start = 0; start < count; start += hn::Lanes(d)) {
    V least[kCorners], most[kCorners], rows[kCorners];
    for (size_t axis = 0; axis < 4; ++axis) {
      const V fraction = hn::And(hn::LoadU(d, at[axis] + start), mask);
      const size_t high = size_t{1} << axis;
      least[high] = most[high] = fraction;
      for (size_t rest = 1; rest < high; ++rest) {
        least[high | rest] = hn::Min(least[rest], fraction);
        most[high | rest] = hn::Max(most[rest], fraction);
      }
    }
    rows[0] = hn::SaturatedSub(cell, most[15]);
    for (size_t k = 1; k < 15; ++k) rows[k] = hn::SaturatedSub(least[k], most[15 ^ k]);
    rows[15] = least[15];
    // Four perfect shuffles transpose a 16x16 matrix; each block of 16 bytes is one.
    for (int round = 0; round < 4; ++round) {
      V next[kCorners];
      for (size_t k = 0; k < 8; ++k) {
        next[2 * k] = hn::InterleaveLower(d, rows[k], rows[k + 8]);
        next[2 * k + 1] = hn::InterleaveUpper(d, rows[k], rows[k + 8]);
      }
      std::copy(next, next + kCorners, rows);
    }
    const hn::CappedTag<uint8_t, 16> block;
    uint8_t* to = out + kCorners * start;
    for (size_t j = 0; j < kCorners; ++j, to += kCorners) {
      hn::StoreU(hn::ExtractBlock<0>(rows[j]), block, to);
      if constexpr (hn::MaxLanes(d) >= 32) {
        hn::StoreU(hn::ExtractBlock<1>(rows[j]), block, to + kCorners * 16);
      }
      if constexpr (hn::MaxLanes(d) >= 64) {
        hn::StoreU(hn::ExtractBlock<2>(rows[j]), block, to + kCorners * 32);
        hn::StoreU(hn::ExtractBlock<3>(rows[j]), block, to + kCorners * 48);
      }
    }
  }
}

// Where the rows of the cells that sets of four bytes lie in begin in a table.
HWY_INLINE void CellRows(const uint8_t* const (&at)[4], int bits, int cell_bits, uint32_t size,
                         uint32_t first, size_t count, uint32_t* HWY_RESTRICT out) {
  const hn::CappedTag<uint16_t, 32> d16;
  const hn::Half<decltype(d16)> half16;
  const hn::Rebind<uint8_t, decltype(d16)> d8;
  const hn::Repartition<uint32_t, decltype(d16)> d32;
  const auto scale = hn::Set(d32, size), origin = hn::Set(d32, first);
  for (size_t x = 0; x < count; x += hn::Lanes(d16)) {
    auto cell = hn::Zero(d16);
    for (const uint8_t* source : at) {
      const auto level = hn::PromoteTo(d16, hn::LoadU(d8, source + x));
      cell = hn::Or(hn::ShiftLeftSame(cell, cell_bits), hn::ShiftRightSame(level, bits));
    }
    const auto low = hn::PromoteTo(d32, hn::LowerHalf(half16, cell));
    const auto high = hn::PromoteTo(d32, hn::UpperHalf(half16, cell));
    hn::StoreU(hn::MulAdd(low, scale, origin), d32, out + x);
    hn::StoreU(hn::MulAdd(high, scale, origin), d32, out + x + hn::Lanes(d32));
  }
}

// Dot products of four weights and four entries, four times: sums of pairs fit 16 bits here.
template <class V8U, class V8I>
HWY_INLINE hn::Vec<Words> FourDots(const V8U (&weights)[4], const V8I (&entries)[4]) {
  const Words d32;
#if HWY_TARGET <= HWY_AVX3_DL || HWY_ARCH_ARM
  auto total = hn::Zero(d32);
  for (size_t k = 0; k < 4; ++k) {
    total = hn::SumOfMulQuadAccumulate(d32, weights[k], entries[k], total);
  }
  return total;
#else
  // Without a dot product `SumOfMulQuadAccumulate` would provide for pairs that do not fit.
  const hn::Repartition<int16_t, Words> d16;
  auto pairs = hn::SatWidenMulPairwiseAdd(d16, weights[0], entries[0]);
  for (size_t k = 1; k < 4; ++k) {
    pairs = hn::Add(pairs, hn::SatWidenMulPairwiseAdd(d16, weights[k], entries[k]));
  }
  return hn::WidenMulPairwiseAdd(d32, pairs, hn::Set(d16, int16_t{1}));
#endif
}

// Add what sets give to the sums of the pixels that read them: see `add_sets`.
template <size_t kReads>
HWY_INLINE void AddSets(const int8_t* table, const uint8_t* weights, const uint32_t* rows,
                        int32_t* const (&targets)[4], size_t count) {
  const Words d32;
  const hn::Repartition<uint8_t, Words> du8;
  const hn::Repartition<int8_t, Words> di8;
  constexpr size_t kQuarter = 4 * kLanes * kReads, kChunk = 4 * hn::MaxLanes(d32);
  for (size_t x = 0; x < count; ++x) {
    const int8_t* row = table + rows[x];
    hn::Vec<decltype(du8)> weight[4];
    for (size_t k = 0; k < 4; ++k) {
      int32_t word;
      std::memcpy(&word, weights + kCorners * x + 4 * k, sizeof word);
      weight[k] = hn::BitCast(du8, hn::Set(d32, word));
    }
    for (size_t chunk = 0; chunk < kQuarter; chunk += kChunk) {
      hn::Vec<decltype(di8)> entries[4];
      for (size_t k = 0; k < 4; ++k) entries[k] = hn::LoadU(di8, row + kQuarter * k + chunk);
      const auto total = FourDots(weight, entries);
      const size_t read = chunk / (4 * kLanes), lane = chunk / 4 % kLanes;
      int32_t* target = targets[read] + kLanes * x + lane;
      if constexpr (hn::MaxLanes(d32) <= kLanes) {
        hn::StoreU(hn::Add(hn::LoadU(d32, target), total), d32, target);
      } else {  // sums of two reads
        const hn::Half<Words> half;
        int32_t* second = targets[read + 1] + kLanes * x;
        const auto low = hn::LowerHalf(half, total), high = hn::UpperHalf(half, total);
        hn::StoreU(hn::Add(hn::LoadU(half, target), low), half, target);
        hn::StoreU(hn::Add(hn::LoadU(half, second), high), half, second);
      }
    }
  }
}

// Make packed parameters of sums, the feature first.
HWY_INLINE void FinishValues(const int32_t* sums, const StageArguments& a, const uint8_t* features,
                             size_t count, uint8_t* out) {
  const hn::CappedTag<float, kLanes> d;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<uint8_t, decltype(d)> d8;
  const auto magic = hn::Set(d, kRoundF32), limit = hn::Set(d, a.limit);
  for (size_t lane = 0; lane < kLanes; lane += hn::Lanes(d)) {
    const auto offset = hn::LoadU(d, a.offset + lane), divisor = hn::LoadU(d, a.divisor + lane);
    const auto lowest = hn::LoadU(d, a.lowest + lane);
    for (size_t x = lane; x < kLanes * count; x += kLanes) {
      auto value = hn::ConvertTo(d, hn::LoadU(di, sums + x));
      value = hn::Div(hn::Add(value, offset), divisor);
      value = hn::Sub(hn::Add(value, magic), magic);
      value = hn::Min(hn::Max(value, lowest), limit);
      hn::StoreU(hn::DemoteTo(d8, hn::ConvertInRangeTo(di, value)), d8, out + x);
    }
  }
  for (size_t x = 0; x < count; ++x) out[kLanes * x] = features[x];
}

void StageRows(const StageArguments& a) {
  int64_t first_row = 0, last_row = 0, first_col = 0, last_col = 0;
  for (int64_t k = 0; k < 4 * a.sets; ++k) {
    first_row = std::min(first_row, a.targets[2 * k]);
    last_row = std::max(last_row, a.targets[2 * k]);
    first_col = std::min(first_col, a.targets[2 * k + 1]);
    last_col = std::max(last_col, a.targets[2 * k + 1]);
  }
  const int64_t span = last_col - first_col, depth = last_row - first_row + 1;
  const int64_t segment = kWidth - span;
  // Rows of the ring, and one for what belongs to no row here.
  const size_t line = (kWidth + span + 4) * kLanes;
  std::vector<int32_t> sums((depth + 1) * line);
  std::vector<uint8_t> weights(kWidth * kCorners);
  std::vector<uint32_t> row_starts(kWidth);
  for (int64_t start = 0; start < a.cols; start += segment) {
    const int64_t n = std::min(segment, a.cols - start), count = n + span;
    const size_t block = hn::Lanes(Bytes());
    const size_t whole = (count + block - 1) / block * block;
    for (int64_t y = a.top - last_row; y < a.bottom - first_row; ++y) {
      for (int64_t s = 0; s < a.sets; ++s) {
        int32_t* to[4];
        bool is_read = false;
        for (int64_t k = 0; k < a.reads[s]; ++k) {
          const int64_t* target = a.targets + 2 * (4 * s + k);
          const int64_t row = y + target[0];
          const bool inside = a.top <= row && row < a.bottom;
          is_read |= inside;
          to[k] = &sums[(inside ? row % depth : depth) * line + (target[1] - first_col) * kLanes];
        }
        if (!is_read) continue;
        const uint8_t* at[4];
        for (int64_t k = 0; k < 4; ++k) {
          const int64_t* pixel = a.pixels + 2 * (4 * s + k);
          at[k] = a.plane + (y + a.row_pad + pixel[0]) * a.stride + start - last_col + a.col_pad +
                  pixel[1];
        }
        CornerWeights(at, a.bits, whole, weights.data());
        CellRows(at, a.bits, a.cell_bits, a.rows[2 * s + 1], a.rows[2 * s], whole,
                 row_starts.data());
        if (a.reads[s] == 4) {
          AddSets<4>(a.table, weights.data(), row_starts.data(), to, count);
        } else {
          AddSets<2>(a.table, weights.data(), row_starts.data(), to, count);
        }
      }
      const int64_t done = y + first_row;
      if (a.top <= done && done < a.bottom) {
        int32_t* total = &sums[done % depth * line];
        FinishValues(total + span * kLanes, a, a.features + done * a.cols + start, n,
                     a.out + (done * a.cols + start) * kLanes);
        std::fill(total, total + line, 0);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace lerf
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lerf {
HWY_EXPORT(StageRows);
}
LERF_EXPORT void lerf_stage_rows(const lerf::StageArguments* arguments) {
  using namespace lerf;
  HWY_DYNAMIC_DISPATCH(StageRows)(*arguments);
}
#endif
