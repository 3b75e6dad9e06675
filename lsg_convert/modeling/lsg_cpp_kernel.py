"""The kernel of `lsg_cpp`, in C++: text in a Python file, since Python files are what comes with a model's remote code.

A tile of queries at a time: all scores of its windows' keys, their softmax, the sum of the values. Scores lie keys by
queries, so that queries fill the processor's vectors from the first product to the last: keys and values are read where
the projections left them, and nothing but the tile's queries is ever transposed. A tile's scores fit its cache.
"""

SOURCE = r"""
#include <ATen/Parallel.h>
#include <ATen/cpu/vec/vec.h>
#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#if !defined(CPU_CAPABILITY_AVX512) && !defined(CPU_CAPABILITY_AVX2) && !defined(__aarch64__) && !defined(__VSX__)
#error "without vector instructions torch's own attention is faster"
#endif

namespace {

// What Python passes: the same fields in the same order as the structures in lsg_cpp.py.

struct Rows {  // a tensor [batch, head, row, ...], the last dimension contiguous
  float* data;
  int64_t batch_stride, head_stride, stride;

  float* at(int64_t batch, int64_t head, int64_t row) const {
    return data + batch * batch_stride + head * head_stride + row * stride;
  }
};

struct Span {
  int64_t first, last;
};

struct Window {
  int64_t block;
  Span local, left, right;
  Rows attn_bias;  // added to the scores, [batch, head, query, key]; no data where there is none
};

struct Call {
  Rows query, key, value, sparse_key, sparse_value, context;
  int64_t batch_size, num_heads, width, num_globals, block_size, num_windows;
  const Window* windows;
  float scale;
};

using Vec = at::vec::Vectorized<float>;
constexpr int LANES = Vec::size();
constexpr int WIDE = LANES == 8 ? 2 : 4;  // vectors of queries in a tile; with the sums of so many rows
constexpr int ROWS_AT_ONCE = 6;           // they fill the registers
constexpr int64_t KEYS_AT_ONCE = 64;  // their shares of a tile's queries fit the first-level cache

#define UNROLL _Pragma("GCC unroll 8")

// The exponential that torch's own attention takes; in releases without it the slower one.
template <typename V>
auto fast_exp(const V& x, int) -> decltype(x.exp_u20()) {
  return x.exp_u20();
}
template <typename V>
V fast_exp(const V& x, long) {
  return x.exp();
}

// sum[r][i] += left(r, k) * right[k][i] for all k < depth, with the sums in registers.
template <int R, int C, typename Left>
C10_ALWAYS_INLINE void multiply(int64_t depth, const Left& left, const float* right, float* sum) {
  Vec sums[R][C];
  UNROLL for (int r = 0; r < R; ++r)
    UNROLL for (int c = 0; c < C; ++c) sums[r][c] = Vec::loadu(sum + (r * C + c) * LANES);
  for (int64_t k = 0; k < depth; ++k) {
    Vec columns[C];
    UNROLL for (int c = 0; c < C; ++c) columns[c] = Vec::loadu(right + (k * C + c) * LANES);
    UNROLL for (int r = 0; r < R; ++r) {
      const Vec row(left(r, k));
      UNROLL for (int c = 0; c < C; ++c) sums[r][c] = at::vec::fmadd(row, columns[c], sums[r][c]);
    }
  }
  UNROLL for (int r = 0; r < R; ++r)
    UNROLL for (int c = 0; c < C; ++c) sums[r][c].store(sum + (r * C + c) * LANES);
}

// The same for any number of rows.
template <int C, int R = ROWS_AT_ONCE, typename Left>
void multiply_rows(int64_t rows, int64_t depth, const Left& left, const float* right, float* sum) {
  int64_t row = 0;
  for (; row + R <= rows; row += R)
    multiply<R, C>(depth, [&](int r, int64_t k) { return left(row + r, k); }, right, sum + row * C * LANES);
  if constexpr (R > 1) {
    if (row < rows)
      multiply_rows<C, R - 1>(
          rows - row, depth, [&](int64_t r, int64_t k) { return left(row + r, k); }, right, sum + row * C * LANES);
  }
}

// A tile of C vectors of queries, for one block of one head after the other.
template <int C>
class Tile {
 public:
  static constexpr int64_t SIZE = C * LANES;

  explicit Tile(const Call& call) : call_(call), query_(call.width * SIZE), context_(call.width * SIZE) {}

  // Queries first ... first + count - 1 of the window's block.
  void attend(const Window& window, int64_t batch, int64_t head, int64_t first, int64_t count) {
    const int64_t row = window.block * call_.block_size + first;
    const int64_t g = call_.num_globals;
    const Keys parts[] = {
        {call_.key.at(batch, head, 0), call_.value.at(batch, head, 0), call_.key.stride, call_.value.stride, g},
        sparse(window.left, batch, head),
        sparse(window.right, batch, head),
        {call_.key.at(batch, head, g + window.local.first), call_.value.at(batch, head, g + window.local.first),
         call_.key.stride, call_.value.stride, window.local.last - window.local.first}};
    int64_t num_keys = 0;
    for (const Keys& part : parts) num_keys += part.count;

    read_queries(call_.query.at(batch, head, g + row), count);
    scores_.assign(num_keys * SIZE, 0.f);
    if (window.attn_bias.data) add(window.attn_bias, window.attn_bias.at(batch, head, first), count, num_keys);
    float* scores = scores_.data();
    for (const Keys& part : parts) {
      multiply_rows<C>(
          part.count, call_.width, [&](int64_t r, int64_t k) { return part.key[r * part.key_stride + k]; },
          query_.data(), scores);
      scores += part.count * SIZE;
    }
    softmax(num_keys);
    std::fill(context_.begin(), context_.end(), 0.f);
    scores = scores_.data();
    for (const Keys& part : parts)
      for (int64_t key = 0; key < part.count; key += KEYS_AT_ONCE) {
        const int64_t keys = std::min(KEYS_AT_ONCE, part.count - key);
        const float* value = part.value + key * part.value_stride;
        multiply_rows<C>(
            call_.width, keys, [&](int64_t r, int64_t k) { return value[k * part.value_stride + r]; }, scores,
            context_.data());
        scores += keys * SIZE;
      }
    const int64_t row_of_context = row - call_.windows[0].block * call_.block_size;
    write_context(call_.context.at(batch, head, row_of_context), count);
  }

 private:
  struct Keys {
    const float *key, *value;
    int64_t key_stride, value_stride, count;
  };

  Keys sparse(const Span& span, int64_t batch, int64_t head) const {
    if (span.first == span.last) return {nullptr, nullptr, 0, 0, 0};
    return {call_.sparse_key.at(batch, head, span.first), call_.sparse_value.at(batch, head, span.first),
            call_.sparse_key.stride, call_.sparse_value.stride, span.last - span.first};
  }

  void read_queries(const float* query, int64_t count) {
    for (int64_t d = 0; d < call_.width; ++d)
      for (int64_t i = 0; i < count; ++i) query_[d * SIZE + i] = query[i * call_.query.stride + d] * call_.scale;
  }

  void add(const Rows& rows, const float* bias, int64_t count, int64_t num_keys) {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t key = 0; key < num_keys; ++key) scores_[key * SIZE + i] = bias[i * rows.stride + key];
  }

  // Scores become exponentials; what they have to be divided by is left for the context.
  void softmax(int64_t num_keys) {
    Vec largest[C], total[C];
    UNROLL for (int c = 0; c < C; ++c) {
      largest[c] = Vec(-std::numeric_limits<float>::infinity());
      total[c] = Vec(0.f);
    }
    for (int64_t key = 0; key < num_keys; ++key)
      UNROLL for (int c = 0; c < C; ++c)
        largest[c] = at::vec::maximum(largest[c], Vec::loadu(&scores_[(key * C + c) * LANES]));
    for (int64_t key = 0; key < num_keys; ++key)
      UNROLL for (int c = 0; c < C; ++c) {
        float* score = &scores_[(key * C + c) * LANES];
        const Vec exponential = fast_exp(Vec::loadu(score) - largest[c], 0);
        total[c] = total[c] + exponential;
        exponential.store(score);
      }
    UNROLL for (int c = 0; c < C; ++c) total[c].store(total_ + c * LANES);
  }

  void write_context(float* context, int64_t count) const {
    for (int64_t i = 0; i < count; ++i)
      for (int64_t d = 0; d < call_.width; ++d)
        context[i * call_.context.stride + d] = context_[d * SIZE + i] / total_[i];
  }

  const Call& call_;
  std::vector<float> query_, context_, scores_;
  float total_[SIZE];
};

}  // namespace

extern "C" void attend_windows(const Call* call) {
  constexpr int64_t SIZE = WIDE * LANES;
  const int64_t num_tiles = (call->block_size + SIZE - 1) / SIZE;
  const int64_t num_tasks = call->batch_size * call->num_heads * call->num_windows * num_tiles;
  at::parallel_for(0, num_tasks, 1, [&](int64_t begin, int64_t end) {
    Tile<WIDE> wide(*call);
    Tile<1> narrow(*call);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % num_tiles * SIZE, row = task / num_tiles;
      const Window& window = call->windows[row % call->num_windows];
      const int64_t head = row / call->num_windows % call->num_heads;
      const int64_t batch = row / call->num_windows / call->num_heads;
      const int64_t count = std::min(SIZE, call->block_size - first);
      if (count == SIZE)
        wide.attend(window, batch, head, first, count);
      else
        for (int64_t i = 0; i < count; i += LANES)
          narrow.attend(window, batch, head, first + i, std::min<int64_t>(LANES, count - i));
    }
  });
}
"""
