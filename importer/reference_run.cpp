// What the ONNX file itself computes on the probe canvas.
#include <algorithm>
#include <thread>

#include "importer/importer.h"
#include "importer/match.h"
#include "importer/model.h"
#include "importer/onnx_reader.h"
#include "importer/passes/passes.h"
#include "importer/reference.h"

namespace sln {
namespace {

using importer::Array;
using importer::ValueId;

Tensor to_tensor(const std::string& name, const Array& array, bool drop_first) {
  Tensor tensor;
  tensor.name = name;
  tensor.dims = array.dims;
  if (drop_first) tensor.dims.erase(tensor.dims.begin());
  tensor.data.resize(static_cast<size_t>(array.count()));
  for (size_t i = 0; i < tensor.data.size(); ++i)
    tensor.data[i] =
        importer::is_real(array.type) ? static_cast<float>(array.real[i]) : static_cast<float>(array.whole[i]);
  return tensor;
}

// Box -> anchor, through the three selections of the graph.
Tensor anchor_index(const Array& top_k, const Array& large, const Array& kept) {
  Tensor tensor;
  tensor.name = "anchor_index";
  tensor.dims = {kept.count()};
  for (const int64_t box : kept.wholes())
    tensor.data.push_back(
        static_cast<float>(top_k.wholes().at(static_cast<size_t>(large.wholes().at(static_cast<size_t>(box))))));
  return tensor;
}

std::vector<Tensor> collect_stages(const Config& config, const importer::Match& match,
                                   const std::map<ValueId, Array>& arrays) {
  std::vector<Tensor> stages;
  for (const std::string& name : importer::dense_stages(config))
    stages.push_back(to_tensor(name, arrays.at(match.values.at(name)), true));
  for (const std::string& name : importer::per_box_stages(config))
    stages.push_back(to_tensor(name, arrays.at(match.values.at(name)), false));
  if (match.values.count("kept") != 0)
    stages.push_back(anchor_index(arrays.at(match.values.at("top_k")), arrays.at(match.values.at("large")),
                                  arrays.at(match.values.at("kept"))));
  return stages;
}

}  // namespace

Tensor probe_canvas(const Config& config) {
  const int64_t side = config.side, factor = std::max<int64_t>(1, 256 / side);
  Tensor canvas{"canvas", {3, side, side}, {}};
  canvas.data.reserve(static_cast<size_t>(3 * side * side));
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t row = 0; row < side; ++row)
      for (int64_t column = 0; column < side; ++column) {
        const int64_t x = column * factor, y = row * factor;
        const int64_t v =
            (37 * ((x >> 4) ^ (y >> 4)) + 11 * ((x * x + 3 * y * y) >> 6) + 53 * c + 5 * ((x * y) % 31)) & 255;
        canvas.data.push_back((static_cast<float>(v) - static_cast<float>(config.mean[c])) /
                              static_cast<float>(config.std[c]));
      }
  return canvas;
}

ReferenceRun reference_run(const std::string& onnx_path, int threads) {
  const importer::OnnxFile file = importer::read_onnx(onnx_path);
  const importer::ModelInfo model = importer::read_model_info(file);
  importer::Match match;
  {
    importer::Graph rewritten = file.graph;  // only to learn which values are the stages; not what is evaluated
    importer::rewrite(rewritten);
    match = importer::match_network(rewritten, model.config);
  }
  match.layers.clear();
  std::vector<ValueId> wanted;
  for (const auto& entry : match.values) {
    if (entry.second < 0 || static_cast<size_t>(entry.second) >= file.graph.values.size())
      fail(ErrorKind::kInternal, onnx_path, ": stage ", entry.first, " is not a value of the file");
    wanted.push_back(entry.second);
  }
  const Tensor canvas = probe_canvas(model.config);
  Array image = importer::make_array(importer::DataType::kFloat32, {1, 3, model.config.side, model.config.side});
  std::copy(canvas.data.begin(), canvas.data.end(), image.real.begin());
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  std::map<ValueId, Array> feeds;
  feeds[file.graph.inputs.at(0)] = std::move(image);
  const auto arrays = importer::evaluate(file.graph, feeds, wanted, threads);
  return {model.config, model.fingerprint, collect_stages(model.config, match, arrays)};
}

}  // namespace sln
