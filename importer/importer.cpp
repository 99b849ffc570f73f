#include "importer/importer.h"

#include <algorithm>
#include <map>

#include "engine/blob.h"
#include "importer/match.h"
#include "importer/model.h"
#include "importer/onnx_reader.h"
#include "importer/passes/passes.h"
#include "importer/report.h"

namespace sln {
namespace {

// Weights and biases in the order of the blob, rounded to float32.
std::vector<Tensor> blob_content(const Config& config, const importer::Match& match) {
  std::map<std::string, const importer::LayerWeights*> layers;
  for (const auto& entry : match.layers) layers[entry.layer.name] = &entry;
  std::vector<Tensor> tensors;
  for (const TensorSpec& spec : blob_tensors(config)) {
    const size_t dot = spec.name.rfind('.');
    const importer::LayerWeights& layer = *layers.at(spec.name.substr(0, dot));
    const importer::ArrayPtr& source = spec.name.substr(dot) == ".weight" ? layer.weight : layer.bias;
    Tensor tensor{spec.name, spec.dims, std::vector<float>(static_cast<size_t>(element_count(spec.dims)), 0.0f)};
    if (source)
      std::transform(source->real.begin(), source->real.end(), tensor.data.begin(),
                     [](double x) { return static_cast<float>(x); });
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace

ImportReport import_onnx(const std::string& onnx_path, const std::string& blob_path) {
  importer::OnnxFile file = importer::read_onnx(onnx_path);
  const importer::ModelInfo model = importer::read_model_info(file);
  ImportReport report;
  importer::canonicalise(file.graph);
  report.macs_before = importer::count_macs(file.graph, model.config);
  importer::rewrite(file.graph);
  const importer::Match match = importer::match_network(file.graph, model.config);
  const std::vector<Tensor> tensors = blob_content(model.config, match);

  Metadata metadata = {{"config", model.config_json}, {"weights", model.weights}, {"source_sha256", file.sha256}};
  if (!model.fingerprint.empty()) metadata["fingerprint"] = model.fingerprint;
  write_blob(blob_path, metadata, tensors);
  const std::shared_ptr<const Blob> blob = Blob::open(blob_path);

  report.onnx_path = onnx_path;
  report.blob_path = blob_path;
  report.config = model.config_json;
  report.exporter = model.exporter;
  report.weights = model.weights;
  report.source_sha256 = file.sha256;
  report.has_fingerprint = !model.fingerprint.empty();
  report.onnx_bytes = file.bytes;
  report.blob_bytes = blob->file_bytes();
  report.nodes = file.nodes;
  report.layers = static_cast<int>(match.layers.size());
  for (const Tensor& tensor : tensors) report.parameters += static_cast<int64_t>(tensor.data.size());
  for (const auto& entry : match.layers) report.macs_after += entry.layer.macs;
  for (const auto& proof : match.glue) report.glue.push_back({proof.item, proof.detail, proof.by_reading});
  report.notes = match.notes;
  return report;
}

}  // namespace sln
