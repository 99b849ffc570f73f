// What the files of the C API share: the handles, and exceptions turned into a status and a text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <vector>

#include "engine/error.h"
#include "engine/layer_table.h"
#include "engine/model.h"
#include "engine/pipeline.h"
#include "engine/sln.h"

struct sln_model {
  std::unique_ptr<sln::Model> model;
  std::vector<sln::Layer> layers;
  std::vector<uint32_t> weight_crcs;
};
struct sln_options {
  sln::Options values;
};
struct sln_engine {
  std::unique_ptr<sln::Pipeline> pipeline;
};
struct sln_result {
  sln::Result values;
};

namespace sln::api {

// Of the exception that is being handled, and its text for sln_last_error().
sln_status record_exception() noexcept;

// Runs body; the one place where exceptions become codes.
template <typename Body>
sln_status guarded(const Body& body) noexcept {
  try {
    body();
    return SLN_OK;
  } catch (...) {
    return record_exception();
  }
}

inline void need(const void* pointer, const char* function, const char* argument) {
  if (pointer == nullptr) fail(ErrorKind::kInvalidArgument, function, ": ", argument, " is NULL");
}

inline void need_index(int64_t index, int64_t count, const char* function) {
  if (index < 0 || index >= count)
    fail(ErrorKind::kInvalidArgument, function, ": index: expected 0 to ", count - 1, ", found ", index);
}

// Copies as much of `full` as the caller's version of the struct holds.
template <typename Struct>
void hand_out(Struct full, Struct* out, const char* function) {
  need(out, function, "info");
  if (out->struct_size < sizeof(size_t) || out->struct_size > 4096)
    fail(ErrorKind::kInvalidArgument, function, ": struct_size: expected ", sizeof(Struct), ", found ",
         out->struct_size);
  const size_t bytes = std::min(out->struct_size, sizeof(Struct));
  full.struct_size = out->struct_size;
  std::memcpy(out, &full, bytes);
}

}  // namespace sln::api
