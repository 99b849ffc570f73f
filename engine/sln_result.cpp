// The C API's results.
#include <cmath>
#include <string>

#include "engine/api.h"

using namespace sln::api;
using sln::ErrorKind;
using sln::fail;

namespace {

const sln::Runs& runs_of(const sln::ResultObject& object, sln_mask mask) {
  return mask == SLN_MASK_AMODAL ? object.amodal : mask == SLN_MASK_VISIBLE ? object.visible : object.hidden;
}

void need_mask(sln_mask mask, const char* function) {
  if (mask != SLN_MASK_AMODAL && mask != SLN_MASK_VISIBLE && mask != SLN_MASK_HIDDEN)
    fail(ErrorKind::kInvalidArgument, function, ": mask: expected 0 to 2, found ", static_cast<int>(mask));
}

const sln::ResultObject& object_at(const sln_result* result, int32_t index, const char* function) {
  need(result, function, "result");
  need_index(index, static_cast<int64_t>(result->values.objects.size()), function);
  return result->values.objects[static_cast<size_t>(index)];
}

}  // namespace

sln_status sln_result_create(sln_result** result) {
  return guarded([&] {
    need(result, "sln_result_create", "result");
    *result = new sln_result();
  });
}

void sln_result_destroy(sln_result* result) {
  delete result;
}

sln_status sln_result_get_info(const sln_result* result, sln_result_info* info) {
  return guarded([&] {
    need(result, "sln_result_get_info", "result");
    const sln::Result& values = result->values;
    sln_result_info full = {};
    full.width = values.width;
    full.height = values.height;
    full.proposals = values.proposals;
    full.dropped_empty = values.dropped_empty;
    full.dropped_by_nms = values.dropped_by_nms;
    full.object_count = static_cast<int32_t>(values.objects.size());
    full.pair_count = static_cast<int32_t>(values.pairs.size());
    full.levels = values.levels;
    hand_out(full, info, "sln_result_get_info");
  });
}

int32_t sln_result_object_count(const sln_result* result) {
  return result == nullptr ? 0 : static_cast<int32_t>(result->values.objects.size());
}

sln_status sln_result_get_object(const sln_result* result, int32_t index, sln_object* object) {
  return guarded([&] {
    const sln::ResultObject& found = object_at(result, index, "sln_result_get_object");
    sln_object full = {};
    std::copy(found.box, found.box + 4, full.box);
    full.score = found.score;
    full.objectness = found.objectness;
    full.mean_confidence = found.mean_confidence;
    full.proposal = found.proposal;
    full.anchor = found.anchor;
    full.amodal_area = found.amodal_area;
    full.visible_area = found.visible_area;
    hand_out(full, object, "sln_result_get_object");
  });
}

sln_status sln_result_get_rle(const sln_result* result, int32_t index, sln_mask mask, const char** text) {
  return guarded([&] {
    const sln::ResultObject& found = object_at(result, index, "sln_result_get_rle");
    need_mask(mask, "sln_result_get_rle");
    need(text, "sln_result_get_rle", "text");
    const std::string& rle = mask == SLN_MASK_AMODAL    ? found.amodal_rle
                             : mask == SLN_MASK_VISIBLE ? found.visible_rle
                                                        : found.hidden_rle;
    *text = rle.c_str();
  });
}

sln_status sln_result_get_mask(const sln_result* result, int32_t index, sln_mask mask, uint8_t* pixels,
                               size_t capacity) {
  return guarded([&] {
    const sln::ResultObject& found = object_at(result, index, "sln_result_get_mask");
    need_mask(mask, "sln_result_get_mask");
    need(pixels, "sln_result_get_mask", "pixels");
    const auto w = static_cast<size_t>(result->values.width);
    const auto h = static_cast<size_t>(result->values.height);
    if (capacity < w * h)
      fail(ErrorKind::kInvalidArgument, "sln_result_get_mask: capacity: expected at least ", w * h, ", found ",
           capacity);
    size_t at = 0;  // column-major
    uint8_t value = 0;
    for (const uint32_t run : runs_of(found, mask)) {
      for (uint32_t i = 0; i < run; ++i, ++at) pixels[(at % h) * w + at / h] = value;
      value ^= 1;
    }
  });
}

sln_status sln_result_get_level_counts(const sln_result* result, int32_t index, int64_t* counts, int32_t capacity) {
  return guarded([&] {
    const sln::ResultObject& found = object_at(result, index, "sln_result_get_level_counts");
    need(counts, "sln_result_get_level_counts", "counts");
    if (capacity < static_cast<int32_t>(found.level_counts.size()))
      fail(ErrorKind::kInvalidArgument, "sln_result_get_level_counts: capacity: expected at least ",
           found.level_counts.size(), ", found ", capacity);
    std::copy(found.level_counts.begin(), found.level_counts.end(), counts);
  });
}

sln_status sln_result_get_level_rle(const sln_result* result, int32_t index, int32_t level, const char** text) {
  return guarded([&] {
    const sln::ResultObject& found = object_at(result, index, "sln_result_get_level_rle");
    need(text, "sln_result_get_level_rle", "text");
    if (found.level_rles.empty())
      fail(ErrorKind::kInvalidArgument, "sln_result_get_level_rle: expected a result of an engine with the option ",
           "level_masks, found one without level masks");
    need_index(level, static_cast<int64_t>(found.level_rles.size()), "sln_result_get_level_rle");
    *text = found.level_rles[static_cast<size_t>(level)].c_str();
  });
}

sln_status sln_result_get_pair(const sln_result* result, int32_t index, sln_pair* pair) {
  return guarded([&] {
    need(result, "sln_result_get_pair", "result");
    need_index(index, static_cast<int64_t>(result->values.pairs.size()), "sln_result_get_pair");
    const sln::ResultPair& found = result->values.pairs[static_cast<size_t>(index)];
    sln_pair full = {};
    full.a = found.a;
    full.b = found.b;
    full.order = found.order;
    full.overlap = found.overlap;
    full.regions = found.regions;
    full.largest_region = found.largest_region;
    hand_out(full, pair, "sln_result_get_pair");
  });
}
