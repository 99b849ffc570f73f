// The C API: handles, and exceptions turned into a status and a text. Nothing else.
#include "engine/sln.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "engine/error.h"
#include "engine/pipeline.h"

struct sln_model {
  std::shared_ptr<const sln::Blob> blob;
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

namespace {

using sln::ErrorKind;
using sln::fail;

thread_local std::string last_error;

sln_status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInvalidArgument:
      return SLN_ERROR_INVALID_ARGUMENT;
    case ErrorKind::kIo:
      return SLN_ERROR_IO;
    case ErrorKind::kFormat:
      return SLN_ERROR_FORMAT;
    case ErrorKind::kUnsupported:
      return SLN_ERROR_UNSUPPORTED;
    case ErrorKind::kOutOfMemory:
      return SLN_ERROR_OUT_OF_MEMORY;
    case ErrorKind::kInternal:
      break;
  }
  return SLN_ERROR_INTERNAL;
}

sln_status record(sln_status status, const char* text) noexcept {
  try {
    last_error = text;
  } catch (...) {
    last_error.clear();
  }
  return status;
}

// Runs body; the one place where exceptions become codes.
template <typename Body>
sln_status guarded(const Body& body) noexcept {
  try {
    body();
    return SLN_OK;
  } catch (const sln::Error& error) {
    return record(status_of(error.kind()), error.what());
  } catch (const std::bad_alloc&) {
    return record(SLN_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return record(SLN_ERROR_INTERNAL, error.what());
  } catch (...) {
    return record(SLN_ERROR_INTERNAL, "unknown exception");
  }
}

void need(const void* pointer, const char* function, const char* argument) {
  if (pointer == nullptr) fail(ErrorKind::kInvalidArgument, function, ": ", argument, " is NULL");
}

void need_index(int64_t index, int64_t count, const char* function) {
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

int32_t activation_code(sln::LayerActivation activation) {
  return activation == sln::LayerActivation::kNone ? 0 : activation == sln::LayerActivation::kRelu ? 1 : 6;
}

const sln::Runs& runs_of(const sln::ResultObject& object, sln_mask mask) {
  return mask == SLN_MASK_AMODAL ? object.amodal : mask == SLN_MASK_VISIBLE ? object.visible : object.hidden;
}

void need_mask(sln_mask mask, const char* function) {
  if (mask != SLN_MASK_AMODAL && mask != SLN_MASK_VISIBLE && mask != SLN_MASK_HIDDEN)
    fail(ErrorKind::kInvalidArgument, function, ": mask: expected 0 to 2, found ", static_cast<int>(mask));
}

void check_range(const char* name, double value, double low, double high) {
  if (!(value >= low && value <= high))
    fail(ErrorKind::kInvalidArgument, "option ", name, ": expected ", low, " to ", high, ", found ", value);
}

void clear(sln::Result& result) {
  result.width = result.height = result.levels = 0;
  result.proposals = result.dropped_empty = result.dropped_by_nms = 0;
  result.objects.clear();
  result.pairs.clear();
}

// Runs body, which fills result; on failure the result is left empty.
template <typename Body>
void fill_or_clear(sln_result* result, const char* function, const Body& body) {
  need(result, function, "result");
  try {
    body();
  } catch (...) {
    clear(result->values);
    throw;
  }
}

}  // namespace

const char* sln_version(void) {
  return "0.1.0";
}
const char* sln_last_error(void) {
  return last_error.c_str();
}

sln_status sln_model_open(const char* path, sln_model** model) {
  return guarded([&] {
    need(path, "sln_model_open", "path");
    need(model, "sln_model_open", "model");
    auto opened = std::make_unique<sln_model>();
    opened->blob = sln::Blob::open(path);
    opened->layers = sln::layer_table(opened->blob->config());
    for (const sln::Layer& layer : opened->layers) {
      const std::string& digits = opened->blob->metadata().at("crc32c." + layer.name + ".weight");
      opened->weight_crcs.push_back(static_cast<uint32_t>(std::stoul(digits, nullptr, 16)));
    }
    *model = opened.release();
  });
}

void sln_model_destroy(sln_model* model) {
  delete model;
}

const char* sln_model_metadata(const sln_model* model, const char* key) {
  if (model == nullptr || key == nullptr) return nullptr;
  const char* value = nullptr;
  guarded([&] {
    const auto found = model->blob->metadata().find(key);
    if (found != model->blob->metadata().end()) value = found->second.c_str();
  });
  return value;
}

sln_status sln_model_get_info(const sln_model* model, sln_model_info* info) {
  return guarded([&] {
    need(model, "sln_model_get_info", "model");
    const sln::Config& config = model->blob->config();
    sln_model_info full = {};
    full.side = config.side;
    full.levels = config.layers;
    full.roi_side = config.roi_side;
    full.max_rois = config.max_rois;
    full.layer_count = static_cast<int32_t>(model->layers.size());
    for (const sln::Layer& layer : model->layers) {
      full.parameters += layer.parameters();
      full.macs += layer.macs;
    }
    full.file_bytes = model->blob->file_bytes();
    hand_out(full, info, "sln_model_get_info");
  });
}

sln_status sln_model_get_layer(const sln_model* model, int32_t index, sln_layer_info* info) {
  return guarded([&] {
    need(model, "sln_model_get_layer", "model");
    need_index(index, static_cast<int64_t>(model->layers.size()), "sln_model_get_layer");
    const sln::Layer& layer = model->layers[static_cast<size_t>(index)];
    sln_layer_info full = {};
    full.name = layer.name.c_str();
    full.stage = layer.stage.c_str();
    full.in_channels = layer.in_channels;
    full.out_channels = layer.out_channels;
    full.kernel = layer.kernel;
    full.stride = layer.stride;
    full.pad = layer.pad;
    full.dilation = layer.dilation;
    full.out_side = layer.out_side;
    full.relu = activation_code(layer.activation);
    full.residual = layer.residual;
    full.per_roi = layer.per_roi;
    full.parameters = layer.parameters();
    full.macs = layer.macs;
    full.weight_crc32c = model->weight_crcs[static_cast<size_t>(index)];
    full.groups = layer.groups;
    full.pad_after = layer.pad_after;
    hand_out(full, info, "sln_model_get_layer");
  });
}

sln_status sln_options_create(sln_options** options) {
  return guarded([&] {
    need(options, "sln_options_create", "options");
    *options = new sln_options();
  });
}

void sln_options_destroy(sln_options* options) {
  delete options;
}

sln_status sln_options_set_int(sln_options* options, const char* name, int64_t value) {
  return guarded([&] {
    need(options, "sln_options_set_int", "options");
    need(name, "sln_options_set_int", "name");
    const std::string key = name;
    if (key == "threads") {
      check_range(name, static_cast<double>(value), 1, 256);
      options->values.threads = static_cast<int>(value);
    } else if (key == "capture") {
      check_range(name, static_cast<double>(value), 0, 1);
      options->values.capture = value != 0;
    } else if (key == "level_masks") {
      check_range(name, static_cast<double>(value), 0, 1);
      options->values.level_masks = value != 0;
    } else if (key == "refine") {
      check_range(name, static_cast<double>(value), 0, 1);
      options->values.refine = value != 0;
    } else {
      fail(ErrorKind::kInvalidArgument, "option ", key,
           ": expected threads, capture, level_masks or refine as an integer option");
    }
  });
}

sln_status sln_options_set_float(sln_options* options, const char* name, double value) {
  return guarded([&] {
    need(options, "sln_options_set_float", "options");
    need(name, "sln_options_set_float", "name");
    const std::string key = name;
    if (key == "score_threshold") {
      check_range(name, value, 0, 1);
      options->values.score_threshold = value;
    } else if (key == "mask_nms") {
      check_range(name, value, 0, 1);
      options->values.mask_nms = value;
    } else if (key == "visible_overlap") {
      check_range(name, value, 0, 1);
      options->values.visible_overlap = value;
    } else if (key == "mask_threshold") {
      check_range(name, value, 0.001, 0.998);
      options->values.mask_threshold = value;
    } else {
      fail(ErrorKind::kInvalidArgument, "option ", key,
           ": expected score_threshold, mask_nms, visible_overlap or mask_threshold as a number option");
    }
  });
}

sln_status sln_options_set_string(sln_options* options, const char* name, const char* value) {
  return guarded([&] {
    need(options, "sln_options_set_string", "options");
    need(name, "sln_options_set_string", "name");
    need(value, "sln_options_set_string", "value");
    const std::string key = name;
    const std::string text = value;
    if (key == "device") {
      if (text != "auto" && text != "cpu")
        fail(ErrorKind::kInvalidArgument, "option device: expected auto or cpu, found '", text, "'");
      options->values.device = text;
    } else if (key == "score_mode") {
      if (text != "mask" && text != "objectness")
        fail(ErrorKind::kInvalidArgument, "option score_mode: expected mask or objectness, found '", text, "'");
      options->values.score_mode = text == "mask" ? sln::ScoreMode::kMask : sln::ScoreMode::kObjectness;
    } else {
      fail(ErrorKind::kInvalidArgument, "option ", key, ": expected device or score_mode as a text option");
    }
  });
}

sln_status sln_engine_create(const sln_model* model, const sln_options* options, sln_engine** engine) {
  return guarded([&] {
    need(model, "sln_engine_create", "model");
    need(engine, "sln_engine_create", "engine");
    auto created = std::make_unique<sln_engine>();
    created->pipeline =
        std::make_unique<sln::Pipeline>(*model->blob, options != nullptr ? options->values : sln::Options());
    *engine = created.release();
  });
}

void sln_engine_destroy(sln_engine* engine) {
  delete engine;
}

sln_status sln_engine_run(sln_engine* engine, const uint8_t* pixels, int32_t width, int32_t height, ptrdiff_t row_bytes,
                          sln_result* result) {
  return guarded([&] {
    fill_or_clear(result, "sln_engine_run", [&] {
      need(engine, "sln_engine_run", "engine");
      need(pixels, "sln_engine_run", "pixels");
      if (width < 1 || height < 1 || width > 65535 || height > 65535)
        fail(ErrorKind::kInvalidArgument, "sln_engine_run: expected an image of 1 to 65535 pixels a side, found ",
             width, " x ", height);
      if (row_bytes < 3 * static_cast<ptrdiff_t>(width))
        fail(ErrorKind::kInvalidArgument, "sln_engine_run: row_bytes: expected at least ", 3 * width, ", found ",
             row_bytes);
      sln::Image image;
      image.pixels = pixels;
      image.width = width;
      image.height = height;
      image.row_bytes = row_bytes;
      engine->pipeline->run(image, result->values);
    });
  });
}

sln_status sln_engine_run_canvas(sln_engine* engine, const float* canvas, sln_result* result) {
  return guarded([&] {
    fill_or_clear(result, "sln_engine_run_canvas", [&] {
      need(engine, "sln_engine_run_canvas", "engine");
      need(canvas, "sln_engine_run_canvas", "canvas");
      sln::Image image;
      image.planes = canvas;
      image.width = image.height = engine->pipeline->config().side;
      engine->pipeline->run(image, result->values);
    });
  });
}

sln_status sln_engine_get_info(const sln_engine* engine, sln_engine_info* info) {
  return guarded([&] {
    need(engine, "sln_engine_get_info", "engine");
    const sln::Pipeline& pipeline = *engine->pipeline;
    sln_engine_info full = {};
    full.device = pipeline.backend().device();
    full.isa = pipeline.backend().isa();
    full.threads = pipeline.threads();
    full.stage_count = static_cast<int32_t>(engine->pipeline->stages().size());
    full.arena_bytes = pipeline.arena_bytes();
    full.weight_bytes = pipeline.packed_bytes();
    hand_out(full, info, "sln_engine_get_info");
  });
}

sln_status sln_engine_get_stage(const sln_engine* engine, int32_t index, sln_stage_info* info) {
  return guarded([&] {
    need(engine, "sln_engine_get_stage", "engine");
    need_index(index, static_cast<int64_t>(engine->pipeline->stages().size()), "sln_engine_get_stage");
    const sln::StageTime& stage = engine->pipeline->stages()[static_cast<size_t>(index)];
    sln_stage_info full = {};
    full.name = stage.name;
    full.seconds = stage.seconds;
    full.macs = stage.macs;
    hand_out(full, info, "sln_engine_get_stage");
  });
}

sln_status sln_engine_get_tensor(const sln_engine* engine, int32_t index, sln_tensor_info* info) {
  return guarded([&] {
    need(engine, "sln_engine_get_tensor", "engine");
    const std::vector<sln::Tensor>& tensors = engine->pipeline->capture().tensors();
    need_index(index, static_cast<int64_t>(tensors.size()), "sln_engine_get_tensor");
    const sln::Tensor& tensor = tensors[static_cast<size_t>(index)];
    sln_tensor_info full = {};
    full.name = tensor.name.c_str();
    full.data = tensor.data.data();
    full.rank = static_cast<int32_t>(tensor.dims.size());
    std::copy(tensor.dims.begin(), tensor.dims.end(), full.dims);
    hand_out(full, info, "sln_engine_get_tensor");
  });
}

sln_status sln_engine_measure_peak(const sln_engine* engine, double* flops_per_second) {
  return guarded([&] {
    need(engine, "sln_engine_measure_peak", "engine");
    need(flops_per_second, "sln_engine_measure_peak", "flops_per_second");
    *flops_per_second = engine->pipeline->backend().measure_peak_flops();
  });
}

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

namespace {

const sln::ResultObject& object_at(const sln_result* result, int32_t index, const char* function) {
  need(result, function, "result");
  need_index(index, static_cast<int64_t>(result->values.objects.size()), function);
  return result->values.objects[static_cast<size_t>(index)];
}

}  // namespace

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
