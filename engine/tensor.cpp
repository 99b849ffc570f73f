#include "engine/tensor.h"

#include "engine/error.h"

namespace sln {

int64_t element_count(const Dims& dims) {
  int64_t count = 1;
  for (const int64_t dim : dims)
    if (dim < 0 || __builtin_mul_overflow(count, dim, &count))
      fail(ErrorKind::kFormat, "a tensor of shape ", to_string(dims), " cannot be: negative or too large");
  return count;
}

std::string to_string(const Dims& dims) {
  std::string text = "[";
  for (size_t i = 0; i < dims.size(); ++i) text += concat(i ? "," : "", dims[i]);
  return text + "]";
}

}  // namespace sln
