// Tensors on the host: what importer, blob and introspection exchange. Always float32, dense, row-major.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sln {

using Dims = std::vector<int64_t>;  // outermost first

// Product of the dims. Throws Error(kFormat) on a negative dim or where the product leaves 63 bits.
int64_t element_count(const Dims& dims);

// "[1,3,64,64]"
std::string to_string(const Dims& dims);

struct Tensor {
  std::string name;
  Dims dims;
  std::vector<float> data;  // element_count(dims) values
};

}  // namespace sln
