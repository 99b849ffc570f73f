#include "tests/support/models.h"

#include <cmath>
#include <random>

#include "engine/layer_table.h"

namespace sln::test {

std::string temporary_folder() {
  static const TemporaryFolder folder;
  return folder.path();
}

std::string small_config_json(int side) {
  return R"({"anchor_ratios":[0.5,1.0,2.0],"anchor_scales":[0.125,0.25,0.5],"blocks":[1,2,1,1],"bn_eps":1e-05,)"
         R"("encoder":"resnet","feature_channels":24,"head_channels":20,"layers":4,"max_rois":12,)"
         R"("mean":[123.675,116.28,103.53],"min_box":0.00390625,"network":"sln","nms_iou":0.7,"pre_nms":100,)"
         R"("roi_side":14,"rpn_channels":20,"rpn_stride":16,"side":)" +
         std::to_string(side) + R"(,"std":[58.395,57.12,57.375],"stem_channels":8})";
}

std::vector<Tensor> random_weights(const Config& config, uint32_t seed) {
  std::mt19937 random(seed);
  const auto uniform = [&] { return static_cast<double>(random()) / 4294967296.0 * 2 - 1; };
  std::vector<Tensor> tensors;
  for (const TensorSpec& spec : blob_tensors(config)) {
    Tensor tensor{spec.name, spec.dims, {}};
    const int64_t count = element_count(spec.dims);
    const bool last = spec.name.find("conv3.weight") != std::string::npos && spec.name.find("encoder") != 0;
    const double fan_in = spec.dims.size() == 4 ? static_cast<double>(count / spec.dims[0]) : 100;
    const double scale = std::sqrt(3.0 / fan_in) * (last ? 4 : 1.2);
    for (int64_t i = 0; i < count; ++i) tensor.data.push_back(static_cast<float>(uniform() * scale));
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

std::string write_model(const std::string& name, uint32_t seed, const std::string& config_json) {
  const std::string path = temporary_folder() + "/" + name;
  write_blob(path, {{"config", config_json}, {"weights", "seeded:1"}, {"source_sha256", std::string(64, '0')}},
             random_weights(parse_config(config_json, name), seed));
  return path;
}

std::string write_small_model(const std::string& name, uint32_t seed, int side) {
  return write_model(name, seed, small_config_json(side));
}

std::vector<float> read_weights(const Blob& blob, const std::string& tensor) {
  std::vector<float> values(static_cast<size_t>(blob.elements(tensor)));
  blob.read(tensor, values.data());
  return values;
}

std::vector<uint8_t> test_picture(int width, int height, uint32_t seed) {
  std::vector<uint8_t> pixels;
  pixels.reserve(static_cast<size_t>(width) * static_cast<size_t>(height) * 3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      const unsigned cell = static_cast<unsigned>((x * 5 / width) * 7 + (y * 4 / height) * 13) + seed;
      for (unsigned c = 0; c < 3; ++c)
        pixels.push_back(
            static_cast<uint8_t>(cell * (40 + 17 * c) + static_cast<unsigned>(x * 60 / width + y * 30 / height)));
    }
  return pixels;
}

}  // namespace sln::test
