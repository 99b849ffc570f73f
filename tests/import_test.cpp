// The importer as a whole: blobs of both exporters, files made wrong on purpose, errors.
#include "importer/importer.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>

#include "engine/blob.h"
#include "engine/layer_table.h"
#include "engine/sha256.h"
#include "engine/sln.h"
#include "tests/support/models.h"
#include "tests/support/onnx_builder.h"

using namespace sln;
using namespace sln::test;

namespace {

const std::string kFixtures = std::string(SLN_SOURCE_DIR) + "/tests/fixtures/";
const char* const kExporters[] = {"torchscript", "dynamo"};

// A copy of a fixture, with its external data, that a test may damage.
class WrongFile {
 public:
  explicit WrongFile(const std::string& exporter)
      : model(load_model(kFixtures + "tiny_" + exporter + ".onnx")),
        data_(folder.path("tiny_" + exporter + ".onnx.data")) {
    const std::string data = kFixtures + "tiny_" + exporter + ".onnx.data";
    if (std::filesystem::exists(data)) std::filesystem::copy_file(data, data_);
  }
  std::string path() const { return folder.path("wrong.onnx"); }
  std::string blob() const { return folder.path("wrong.safetensors"); }
  void save() const { save_model(model, path()); }

  // "" where the import succeeds, else the error.
  std::string import() const {
    save();
    try {
      import_onnx(path(), blob());
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  }

  // Sets one element of a constant, in the file or in the external data beside it.
  void edit(const std::string& value, size_t i, float element) {
    onnx::TensorProto& tensor = constant(model, value);
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) return set_float(tensor, i, element);
    size_t offset = i * sizeof element;
    for (const auto& entry : tensor.external_data())
      if (entry.key() == "offset") offset += std::stoul(entry.value());
    std::string bytes = read_file(data_);
    REQUIRE(offset + sizeof element <= bytes.size());
    std::memcpy(&bytes[offset], &element, sizeof element);
    write_file(data_, bytes);
  }

  TemporaryFolder folder;
  onnx::ModelProto model;

 private:
  std::string data_;
};

// Values that flow, told apart by structure alone, since each exporter has its own names.
onnx::NodeProto& reader_of(onnx::ModelProto& model, const std::string& value, const std::string& op, int nth = 0) {
  for (auto& node : *model.mutable_graph()->mutable_node())
    if (node.op_type() == op)
      for (const std::string& input : node.input())
        if (input == value && nth-- == 0) return node;
  FAIL("no " << op << " reads " << value);
  std::abort();
}

// Number 0 is the fuse convolution, 1 to 3 are the GLM's behind it.
onnx::NodeProto& glm_conv(onnx::ModelProto& model, int number) {
  onnx::NodeProto* fuse_joined = nullptr;
  for (auto& node : *model.mutable_graph()->mutable_node())
    if (node.op_type() == "Concat" && node.input_size() == 4) fuse_joined = &node;
  REQUIRE(fuse_joined != nullptr);
  std::string value = fuse_joined->output(0);
  for (int i = 0;; ++i) {
    onnx::NodeProto& conv = reader_of(model, value, "Conv");
    if (i == number) return conv;
    value = reader_of(model, conv.output(0), "Relu").output(0);
  }
}

// Numbers 0 to 2 are the ILM's convolutions.
onnx::NodeProto& roi_conv(onnx::ModelProto& model, int number) {
  std::string value = find_node(model, "RoiAlign").output(0);
  for (int i = 0;; ++i) {
    onnx::NodeProto& conv = reader_of(model, value, "Conv");
    if (i == number) return conv;
    value = reader_of(model, conv.output(0), "Relu").output(0);
  }
}

// The stage tensors of the engine on the probe canvas.
std::vector<Tensor> capture(const std::string& blob) {
  sln_model* model = nullptr;
  sln_options* options = nullptr;
  sln_engine* engine = nullptr;
  sln_result* result = nullptr;
  REQUIRE(sln_model_open(blob.c_str(), &model) == SLN_OK);
  REQUIRE(sln_options_create(&options) == SLN_OK);
  REQUIRE(sln_options_set_int(options, "capture", 1) == SLN_OK);
  REQUIRE(sln_options_set_int(options, "threads", 2) == SLN_OK);
  REQUIRE(sln_options_set_float(options, "score_threshold", 0) == SLN_OK);
  REQUIRE(sln_engine_create(model, options, &engine) == SLN_OK);
  REQUIRE(sln_result_create(&result) == SLN_OK);
  const Tensor canvas = probe_canvas(Blob::open(blob)->config());
  REQUIRE(sln_engine_run_canvas(engine, canvas.data.data(), result) == SLN_OK);
  std::vector<Tensor> tensors;
  sln_tensor_info info = {};
  info.struct_size = sizeof info;
  for (int32_t i = 0; sln_engine_get_tensor(engine, i, &info) == SLN_OK; ++i) {
    Tensor tensor{info.name, Dims(info.dims, info.dims + info.rank), {}};
    tensor.data.assign(info.data, info.data + element_count(tensor.dims));
    tensors.push_back(std::move(tensor));
  }
  sln_result_destroy(result);
  sln_engine_destroy(engine);
  sln_options_destroy(options);
  sln_model_destroy(model);
  return tensors;
}

void remove_initializer(onnx::ModelProto& model, const std::string& name) {
  auto* list = model.mutable_graph()->mutable_initializer();
  for (int i = 0; i < list->size(); ++i)
    if (list->Get(i).name() == name) {
      list->DeleteSubrange(i, 1);
      return;
    }
  FAIL("no initializer " << name);
}

struct Wrong {
  const char* what;
  std::function<void(WrongFile&)> damage;
  std::vector<std::string> named;  // what the error must say where the file is refused
};

std::string changed(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

void wrong_bias(WrongFile& file) {
  onnx::ModelProto& model = file.model;
  onnx::NodeProto& conv = glm_conv(model, 2);
  REQUIRE(conv.input_size() == 3);
  const std::string bias = conv.input(2);
  conv.mutable_input()->RemoveLast();
  remove_initializer(model, bias);
}

void wrong_extra_node(WrongFile& file) {
  onnx::ModelProto& model = file.model;
  // A Relu on probabilities changes no number, so only reading can find it.
  onnx::NodeProto& softmax = find_node(model, "Softmax");
  const std::string value = softmax.output(0);
  softmax.set_output(0, "probabilities");
  onnx::NodeProto extra;
  extra.set_op_type("Relu");
  extra.set_name("the_extra_node");
  extra.add_input("probabilities");
  extra.add_output(value);
  *model.mutable_graph()->add_node() = extra;  // out of order, which the reader sorts
}

void wrong_output(WrongFile& file) {
  auto* outputs = file.model.mutable_graph()->mutable_output();
  for (int i = 0; i < outputs->size(); ++i)
    if (outputs->Get(i).name() == "level") return outputs->DeleteSubrange(i, 1);
}

void wrong_anchor(WrongFile& file) {
  for (const auto& node : file.model.graph().node()) {  // the anchors are the only constant that rows are gathered from
    if (node.op_type() != "Gather" && node.op_type() != "GatherND") continue;
    const onnx::NodeProto* source = producer(file.model, node.input(0));
    if (source == nullptr || source->op_type() == "Constant") return file.edit(node.input(0), 4 * 37 + 2, 9.0f);
  }
  FAIL("no anchors");
}

std::vector<Wrong> wrongs() {
  return {
      {"one Resize mode",
       [](WrongFile& f) { attribute(find_node(f.model, "Resize", 1), "mode").set_s("nearest"); },
       {"(Resize)", "mode: expected linear, found nearest"}},
      {"one NMS threshold",
       [](WrongFile& f) { f.edit(find_node(f.model, "NonMaxSuppression").input(3), 0, 0.5f); },
       {"(NonMaxSuppression)", "iou_threshold: expected 0.699999988, found 0.5"}},
      {"one anchor", wrong_anchor, {"anchor 37, element 2", "found 9"}},
      {"a swapped pair of weights",
       [](WrongFile& f) {
         onnx::ModelProto& m = f.model;
         onnx::NodeProto& glm = glm_conv(m, 2);
         onnx::NodeProto& ilm = roi_conv(m, 1);
         const std::string weight = glm.input(1);
         glm.set_input(1, ilm.input(1));
         ilm.set_input(1, weight);
       },
       {}},
      {"one missing bias", wrong_bias, {"(Conv)", "layer glm.conv2, bias: expected [20], found none"}},
      {"one extra node", wrong_extra_node, {"the_extra_node", "expected Softmax"}},
      {"one RoiAlign ratio",
       [](WrongFile& f) { attribute(find_node(f.model, "RoiAlign"), "sampling_ratio").set_i(1); },
       {"(RoiAlign)", "sampling_ratio: expected 2, found 1"}},
      {"one output dropped", wrong_output, {"output \"level\"", "found none"}},
      {"one stride",
       [](WrongFile& f) {
         onnx::ModelProto& m = f.model;
         for (int i = 0;; ++i) {
           onnx::AttributeProto& strides = attribute(find_node(m, "Conv", i), "strides");
           if (i > 0 && strides.ints(0) == 2) return strides.set_ints(1, 1), strides.set_ints(0, 1);
         }
       },
       {"(Conv)", "layer encoder.stage2.block0.shortcut, strides: expected [2,2], found [1,1]"}},
      {"one metadata value",
       [](WrongFile& f) {
         onnx::ModelProto& m = f.model;
         set_metadata(m, "sln.config", changed(metadata(m, "sln.config"), "\"nms_iou\":0.7", "\"nms_iou\":0.6"));
       },
       {"sln.config", "SHA-256"}},
  };
}

bool contains_all(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts)
    if (text.find(part) == std::string::npos) return false;
  return true;
}

struct Blobs {
  std::shared_ptr<const Blob> open(const std::string& onnx, const std::string& name) {
    import_onnx(onnx, folder.path(name));
    return Blob::open(folder.path(name));
  }
  TemporaryFolder folder;
};

}  // namespace

TEST_CASE("the blobs of both exporters and of unfolded normalisation agree", "[import]") {
  Blobs blobs;
  const auto first = blobs.open(kFixtures + "tiny_torchscript.onnx", "torchscript.safetensors");
  for (const char* other_name : {"dynamo", "keep_bn"}) {
    const auto other = blobs.open(kFixtures + "tiny_" + other_name + ".onnx", std::string(other_name) + ".safetensors");
    CHECK(other->metadata().at("weights") == first->metadata().at("weights"));
    for (const TensorSpec& spec : blob_tensors(first->config())) {
      const std::vector<float> a = read_weights(*first, spec.name), b = read_weights(*other, spec.name);
      double largest = 0, apart = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        largest = std::max(largest, std::abs(static_cast<double>(a[i])));
        apart = std::max(apart, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
      }
      INFO(other_name << " " << spec.name << " largest " << largest << " apart " << apart);
      CHECK(apart <= 1e-6 * largest);
    }
  }
}

TEST_CASE("the second encoder and the networks of masks: equal blobs, and what the engine finds is what ONNX says",
          "[import]") {
  for (const char* name : {"lite", "arcnn", "arcnn-visible"}) {
    const TemporaryFolder folder;
    std::vector<std::shared_ptr<const Blob>> blobs;
    for (const char* exporter : kExporters) {
      const std::string onnx = kFixtures + "tiny-" + name + "_" + exporter + ".onnx";
      const std::string path = folder.path(std::string(exporter) + ".safetensors");
      INFO(onnx);
      const ImportReport report = import_onnx(onnx, path);
      for (const ImportGlue& glue : report.glue) CHECK(glue.by_reading);
      CHECK(report.has_fingerprint);
      CHECK(report.macs_after < report.macs_before);  // the low-resolution fuse
      blobs.push_back(Blob::open(path));
      const ReferenceRun run = reference_run(onnx, 2);
      const VerifyReport verified = compare_stages(run, capture(path));
      INFO(format_report(verified));
      CHECK(verified.passed);
      const int64_t stages = run.config.has_global_layers() ? 10 : 8;
      CHECK(verified.checks.size() == static_cast<size_t>(3 * stages + 1));
    }
    for (const TensorSpec& spec : blob_tensors(blobs[0]->config())) {
      const std::vector<float> a = read_weights(*blobs[0], spec.name), b = read_weights(*blobs[1], spec.name);
      float largest = 0, worst = 0;
      for (size_t i = 0; i < a.size(); ++i) {
        largest = std::max(largest, std::fabs(b[i]));
        worst = std::max(worst, std::fabs(a[i] - b[i]));
      }
      INFO(spec.name);
      CHECK(worst <= 1e-6f * largest);
    }
  }
}

TEST_CASE("an import is reproducible byte for byte", "[import]") {
  const TemporaryFolder folder;
  for (const char* exporter : kExporters) {
    import_onnx(kFixtures + "tiny_" + exporter + ".onnx", folder.path("a"));
    import_onnx(kFixtures + "tiny_" + exporter + ".onnx", folder.path("b"));
    CHECK(read_file(folder.path("a")) == read_file(folder.path("b")));
  }
}

TEST_CASE("the report counts and proves", "[import]") {
  const TemporaryFolder folder;
  for (const char* exporter : kExporters) {
    const ImportReport report = import_onnx(kFixtures + "tiny_" + exporter + ".onnx", folder.path("blob"));
    CHECK(report.layers == 39);
    CHECK(report.has_fingerprint);
    CHECK(report.weights == "seeded:0");
    CHECK(report.macs_after < report.macs_before);
    CHECK(report.blob_bytes == static_cast<int64_t>(std::filesystem::file_size(folder.path("blob"))));
    CHECK(report.parameters * 4 < report.blob_bytes);
    CHECK(report.exporter.rfind(exporter, 0) == 0);
    CHECK(report.glue.size() >= 18);
    for (const ImportGlue& glue : report.glue) {
      INFO(glue.item << ": " << glue.detail);
      CHECK(glue.by_reading);
    }
    const std::string text = format_report(report);
    CHECK(text.find("RoiAlign") != std::string::npos);
    CHECK(text.find("unproven") == std::string::npos);
  }
}

TEST_CASE("weights are unproven where there is no fingerprint", "[import]") {
  for (const char* exporter : kExporters) {
    WrongFile file(exporter);
    auto* entries = file.model.mutable_metadata_props();
    for (int i = 0; i < entries->size(); ++i)
      if (entries->Get(i).key() == "sln.fingerprint") entries->DeleteSubrange(i--, 1);
    file.save();
    const ImportReport report = import_onnx(file.path(), file.blob());
    CHECK_FALSE(report.has_fingerprint);
    CHECK(format_report(report).find("weights unproven") != std::string::npos);
    const VerifyReport verified = compare_stages(reference_run(file.path()), {});
    CHECK_FALSE(verified.has_fingerprint);
    CHECK_FALSE(verified.passed);  // nothing was compared, so nothing passed
    CHECK(format_report(verified).find("weights unproven") != std::string::npos);
  }
}

TEST_CASE("ten files made wrong on purpose are refused by name or caught by the fingerprint", "[import]") {
  for (const char* exporter : kExporters) {
    for (const Wrong& wrong : wrongs()) {
      WrongFile file(exporter);
      wrong.damage(file);
      const std::string error = file.import();
      INFO(exporter << ", " << wrong.what << ": " << error);
      const bool only_numbers = wrong.named.empty() || (error.empty() && std::string(wrong.what) == "one missing bias");
      if (!only_numbers) {
        CHECK(!error.empty());
        CHECK(contains_all(error, wrong.named));
        CHECK(error.find(file.path()) == 0);
        CHECK_FALSE(std::filesystem::exists(file.blob()));
        std::printf("%-12s %-26s refused: %s\n", exporter, wrong.what, error.substr(file.path().size() + 2).c_str());
        continue;
      }
      // dynamo drops biases of zeros, so that a missing one cannot be told from these by reading.
      if (!wrong.named.empty()) CHECK(std::string(exporter) == "dynamo");
      CHECK(error.empty());
      const VerifyReport report = compare_stages(reference_run(file.path()), {});
      CHECK_FALSE(report.passed);
      for (const StageCheck& check : report.checks)
        if (!check.passed) {
          std::printf("%-12s %-26s caught by the fingerprint: %s, off by %.3g (limit %.3g)\n", exporter, wrong.what,
                      check.stage.c_str(), std::max(check.worst, check.p99), check.limit);
          break;
        }
    }
  }
}

TEST_CASE("the fixtures themselves hold against their fingerprint", "[import]") {
  for (const char* name : {"torchscript", "dynamo", "keep_bn"}) {
    const VerifyReport report = compare_stages(reference_run(kFixtures + "tiny_" + name + ".onnx"), {});
    INFO(format_report(report));
    CHECK(report.passed);
    CHECK(report.checks.size() == 10);
  }
}

TEST_CASE("a changed fingerprint is caught, a broken one refused", "[import]") {
  WrongFile file("torchscript");
  const std::string text = metadata(file.model, "sln.fingerprint");
  const size_t at = text.find("\"rms\":");
  REQUIRE(at != std::string::npos);
  set_metadata(file.model, "sln.fingerprint", text.substr(0, at + 6) + "7" + text.substr(text.find_first_of(",}", at)));
  CHECK(file.import().empty());
  CHECK_FALSE(compare_stages(reference_run(file.path()), {}).passed);
  set_metadata(file.model, "sln.fingerprint", text.substr(0, text.size() / 2));
  CHECK(file.import().find("sln.fingerprint: expected a fingerprint") != std::string::npos);
}

TEST_CASE("metadata that is missing or wrong is named", "[import]") {
  for (const char* key : {"sln.config", "sln.config_sha256"}) {
    WrongFile file("torchscript");
    auto* entries = file.model.mutable_metadata_props();
    for (int i = 0; i < entries->size(); ++i)
      if (entries->Get(i).key() == key) entries->DeleteSubrange(i--, 1);
    CHECK(contains_all(file.import(), {file.path(), std::string("metadata key ") + key + ":", "found none"}));
  }
  WrongFile hash("dynamo");
  set_metadata(hash.model, "sln.config_sha256", std::string(64, '0'));
  CHECK(contains_all(hash.import(), {"sln.config", std::string(64, '0')}));
  WrongFile weights("dynamo");
  set_metadata(weights.model, "sln.weights", "seeded:x");
  CHECK(contains_all(weights.import(), {"sln.weights", "found seeded:x"}));
}

TEST_CASE("a config that is consistent but not the graph's is refused by the glue", "[import]") {
  const struct {
    const char *from, *to, *named;
  } changes[] = {{"\"nms_iou\":0.7", "\"nms_iou\":0.6", "iou_threshold"},
                 {"\"pre_nms\":200", "\"pre_nms\":100", "k: expected [100], found [200]"},
                 {"\"max_rois\":16", "\"max_rois\":15", "first boxes kept, ends: expected [15], found [16]"},
                 {"\"min_box\":0.03125", "\"min_box\":0.0625", "constant operand, element 0: expected 4, found 2"},
                 {"\"layers\":4", "\"layers\":3", "expected"},
                 {"\"roi_side\":14", "\"roi_side\":7", "output_height: expected 7, found 14"},
                 {"\"anchor_ratios\":[0.5,1.0,2.0]", "\"anchor_ratios\":[0.5,1.0,3.0]", "anchor"},
                 {"\"feature_channels\":24", "\"feature_channels\":23", "weight shape"},
                 {"\"blocks\":[1,2,1,2]", "\"blocks\":[1,1,1,2]", "encoder.stage2.block0"}};
  for (const char* exporter : kExporters)
    for (const auto& change : changes) {
      WrongFile file(exporter);
      const std::string config = changed(metadata(file.model, "sln.config"), change.from, change.to);
      set_metadata(file.model, "sln.config", config);
      set_metadata(file.model, "sln.config_sha256", sha256_hex(config));
      const std::string error = file.import();
      INFO(exporter << ", " << change.to << ": " << error);
      CHECK(contains_all(error, {file.path(), "expected", "found", change.named}));
    }
}

TEST_CASE("nothing half-written stays behind", "[import]") {
  const TemporaryFolder folder;
  write_file(folder.path("file"), "");
  CHECK_THROWS_AS(import_onnx(kFixtures + "tiny_torchscript.onnx", folder.path("file/blob")), Error);
  CHECK_THROWS_AS(import_onnx(folder.path("file"), folder.path("blob")), Error);
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path(".")), {}) == 1);
}
