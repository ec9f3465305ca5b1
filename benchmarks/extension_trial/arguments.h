// What the kernels take: the arguments of the numba kernels of the same names, as C has them.
#ifndef LERF_ARGUMENTS_H_
#define LERF_ARGUMENTS_H_

#include <cstddef>
#include <cstdint>

#include "constants.h"  // written by compare.py from lerf_core/constants.py

#if defined(_WIN32)
#define LERF_EXPORT extern "C" __declspec(dllexport)
#else
#define LERF_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace lerf {

struct StageArguments {
  const uint8_t* plane;  // padded; rows `stride` apart
  int64_t stride, row_pad, col_pad, bits, cell_bits;
  const int8_t* table;
  const int64_t *pixels, *reads, *targets, *rows;
  int64_t sets;
  const float *offset, *divisor, *lowest;  // (8,)
  float limit;
  const uint8_t* features;  // (rows, cols)
  int64_t cols, top, bottom;
  uint8_t* out;  // (rows, cols, 8)
};

struct GridArguments {
  const uint64_t* pixels;  // (rows, width): packed parameters
  int64_t width;
  const int64_t* row_index;   // (2, out_rows)
  const float* row_offset;    // (2, out_rows)
  int64_t out_rows;
  const float* col_offset;    // (2, 2): of the two phases
  const uint8_t* cell_bounds; // (2, cell_rows, cell_cols)
  int64_t cell_rows, cell_cols;
  const int64_t* row_cell;    // (out_rows,)
  int64_t top, bottom;
  uint8_t* out;  // (out_rows, 2 * width)
};

}  // namespace lerf

#endif  // LERF_ARGUMENTS_H_
