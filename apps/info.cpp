// sln info: what a model is: config, layers, multiply-accumulates, parameters, checksums.
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/failure.h"
#include "apps/handles.h"
#include "apps/numbers.h"
#include "apps/progress.h"

namespace sln::apps {
namespace {

struct InfoArguments {
  std::string model;
  bool layers = true;
};

std::string left(const std::string& cell, size_t width) {
  return cell + std::string(cell.size() < width ? width - cell.size() : 0, ' ');
}
std::string right(const std::string& cell, size_t width) {
  return std::string(cell.size() < width ? width - cell.size() : 0, ' ') + cell;
}

std::string hex(uint32_t value) {
  static const char digits[] = "0123456789abcdef";
  std::string out(8, '0');
  for (size_t i = 8; i-- > 0; value >>= 4) out[i] = digits[value & 15];
  return out;
}

std::string giga(int64_t value) {
  return fixed(static_cast<double>(value) * 1e-9, 3);
}

std::vector<sln_layer_info> layers_of(const sln_model* model, int count) {
  std::vector<sln_layer_info> layers;
  for (int i = 0; i < count; ++i) {
    sln_layer_info layer = {};
    layer.struct_size = sizeof layer;
    check(sln_model_get_layer(model, i, &layer));
    layers.push_back(layer);
  }
  return layers;
}

void print_config(const std::string& config) {
  print("config\n");
  const auto json = nlohmann::ordered_json::parse(config, nullptr, false);
  if (!json.is_object()) {
    print("  " + config + "\n");
    return;
  }
  for (const auto& [key, value] : json.items()) print("  " + left(key, 18) + value.dump() + "\n");
}

void print_layers(const std::vector<sln_layer_info>& layers) {
  print("layers\n  " + left("name", 33) + left("stage", 9) + right("in", 6) + right("out", 6) +
        "  kernel stride dilation" + right("side", 6) + "  activation residual" + right("parameters", 12) +
        right("GMAC", 10) + "  weight crc32c\n");
  for (const sln_layer_info& layer : layers) {
    print("  " + left(layer.name, 33) + left(layer.stage, 9) + right(text(layer.in_channels), 6) +
          right(text(layer.out_channels), 6) +
          right(text(layer.groups > 1 ? "dw " : "", layer.kernel, "x", layer.kernel), 8) +
          right(text(layer.stride), 7) + right(text(layer.dilation), 9) + right(text(layer.out_side), 6) +
          right(layer.relu == 0   ? "-"
                : layer.relu == 6 ? "relu6"
                                  : "relu",
                12) +
          right(layer.residual != 0 ? "yes" : "-", 9) + right(text(layer.parameters), 12) +
          right(giga(layer.macs), 10) + "  " + hex(layer.weight_crc32c) +
          (layer.per_roi != 0 ? "  per RoI, GMAC for all" : "") + "\n");
  }
}

void print_stages(const std::vector<sln_layer_info>& layers) {
  struct Sum {
    int layers = 0;
    int64_t parameters = 0, macs = 0;
  };
  std::vector<std::string> order;
  std::map<std::string, Sum> sums;
  for (const sln_layer_info& layer : layers) {
    if (sums.count(layer.stage) == 0) order.push_back(layer.stage);
    Sum& sum = sums[layer.stage];
    ++sum.layers;
    sum.parameters += layer.parameters;
    sum.macs += layer.macs;
  }
  print("stages\n  " + left("stage", 12) + right("layers", 8) + right("parameters", 12) + right("GMAC", 10) + "\n");
  for (const std::string& stage : order) {
    const Sum& sum = sums[stage];
    print("  " + left(stage, 12) + right(text(sum.layers), 8) + right(text(sum.parameters), 12) +
          right(giga(sum.macs), 10) + "\n");
  }
}

int info(const InfoArguments& arguments) {
  const Model model = open_model(arguments.model);
  const sln_model_info about = info_of(model.get());
  const std::vector<sln_layer_info> layers = layers_of(model.get(), about.layer_count);
  print(text(arguments.model, ": ", about.file_bytes, " bytes, ", about.layer_count, " layers, ", about.parameters,
             " parameters, ", giga(about.macs), " GMAC per image with all ", about.max_rois, " RoIs\n"));
  print_config(metadata_of(model.get(), "config"));
  print_stages(layers);
  if (arguments.layers) print_layers(layers);
  print("checksums\n");
  for (const char* key : {"format_version", "config_sha256", "source_sha256", "header_crc32c", "weights"}) {
    print("  " + left(key, 18) + metadata_of(model.get(), key) + "\n");
  }
  print(text("  ", left("fingerprint", 18),
             metadata_of(model.get(), "fingerprint").empty() ? "none: weights unproven\n" : "present\n"));
  return kExitDone;
}

}  // namespace

void add_info(CLI::App* app, int* status) {
  auto arguments = std::make_shared<InfoArguments>();
  CLI::App* command = app->add_subcommand("info", "Show a model's config, layers, multiply-accumulates and checksums");
  command->add_option("model", arguments->model, "Weight blob written by sln import")->required();
  command->add_flag("--layers,!--no-layers", arguments->layers, "List every layer (default), or only the stages");
  command->callback([arguments, status] { *status = info(*arguments); });
}

}  // namespace sln::apps
