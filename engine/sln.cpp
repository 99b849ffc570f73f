// The C API: models and engines.
#include <string>
#include <utility>

#include "engine/api.h"

using namespace sln::api;
using sln::ErrorKind;
using sln::fail;

namespace {

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

int32_t activation_code(sln::LayerActivation activation) {
  return activation == sln::LayerActivation::kNone ? 0 : activation == sln::LayerActivation::kRelu ? 1 : 6;
}

void clear(sln::Result& result) {
  result.width = result.height = result.levels = 0;
  result.proposals = result.dropped_empty = result.dropped_by_nms = 0;
  result.objects.clear();
  result.pairs.clear();
}

sln::Image image_of(const uint8_t* pixels, int32_t width, int32_t height, ptrdiff_t row_bytes, const char* function) {
  need(pixels, function, "pixels");
  if (width < 1 || height < 1 || width > 65535 || height > 65535)
    fail(ErrorKind::kInvalidArgument, function, ": expected an image of 1 to 65535 pixels a side, found ", width, " x ",
         height);
  if (row_bytes < 3 * static_cast<ptrdiff_t>(width))
    fail(ErrorKind::kInvalidArgument, function, ": row_bytes: expected at least ", 3 * width, ", found ", row_bytes);
  sln::Image image;
  image.pixels = pixels;
  image.width = width;
  image.height = height;
  image.row_bytes = row_bytes;
  return image;
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

sln_status sln::api::record_exception() noexcept {
  try {
    throw;
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
    opened->model = std::make_unique<sln::Model>(sln::Blob::open(path));
    opened->layers = sln::layer_table(opened->model->blob().config());
    for (const sln::Layer& layer : opened->layers) {
      const std::string& digits = opened->model->blob().metadata().at("crc32c." + layer.name + ".weight");
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
    const auto found = model->model->blob().metadata().find(key);
    if (found != model->model->blob().metadata().end()) value = found->second.c_str();
  });
  return value;
}

sln_status sln_model_get_info(const sln_model* model, sln_model_info* info) {
  return guarded([&] {
    need(model, "sln_model_get_info", "model");
    const sln::Config& config = model->model->blob().config();
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
    full.file_bytes = model->model->blob().file_bytes();
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

sln_status sln_engine_create(const sln_model* model, const sln_options* options, sln_engine** engine) {
  return guarded([&] {
    need(model, "sln_engine_create", "model");
    need(engine, "sln_engine_create", "engine");
    auto created = std::make_unique<sln_engine>();
    created->pipeline =
        std::make_unique<sln::Pipeline>(*model->model, options != nullptr ? options->values : sln::Options());
    *engine = created.release();
  });
}

void sln_engine_destroy(sln_engine* engine) {
  delete engine;
}

sln_status sln_engine_submit(sln_engine* engine, const uint8_t* pixels, int32_t width, int32_t height,
                             ptrdiff_t row_bytes) {
  return guarded([&] {
    need(engine, "sln_engine_submit", "engine");
    engine->pipeline->submit(image_of(pixels, width, height, row_bytes, "sln_engine_submit"));
  });
}

sln_status sln_engine_collect(sln_engine* engine, sln_result* result) {
  return guarded([&] {
    fill_or_clear(result, "sln_engine_collect", [&] {
      need(engine, "sln_engine_collect", "engine");
      engine->pipeline->collect(result->values);
    });
  });
}

sln_status sln_engine_run(sln_engine* engine, const uint8_t* pixels, int32_t width, int32_t height, ptrdiff_t row_bytes,
                          sln_result* result) {
  return guarded([&] {
    fill_or_clear(result, "sln_engine_run", [&] {
      need(engine, "sln_engine_run", "engine");
      engine->pipeline->run(image_of(pixels, width, height, row_bytes, "sln_engine_run"), result->values);
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
    full.device = pipeline.device().name();
    full.isa = pipeline.device().isa();
    full.threads = pipeline.threads();
    full.stage_count = static_cast<int32_t>(pipeline.stages().size());
    full.arena_bytes = pipeline.arena_bytes();
    full.weight_bytes = pipeline.packed_bytes();
    full.flights = pipeline.flights();
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
    const std::vector<sln::Tensor>& tensors = engine->pipeline->captured();
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
    *flops_per_second = engine->pipeline->measure_peak_flops();
  });
}
