#include "importer/report.h"

#include "importer/importer.h"

namespace sln {
namespace {

// "26,110,000"
std::string grouped(int64_t number) {
  std::string digits = concat(number), out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string giga(int64_t number) {
  return concat(static_cast<double>(number / 1000000) / 1000.0);
}

std::string padded(const std::string& text, size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

}  // namespace

namespace importer {

int64_t count_macs(const Graph& graph, const Config& config) {
  int64_t macs = 0;
  for (const auto& node : graph.nodes) {
    if (node->op != "Conv" && node->op != "FusedConv") continue;
    const Value& weight = graph.value(node->inputs[1]);
    const Value& out = graph.value(node->outputs[0]);
    if (!weight.has_shape || !out.has_shape || out.shape.size() != 4) continue;
    int64_t product = 1;
    for (const int64_t dim : weight.shape) product *= dim;
    const int64_t batch = out.shape[0] == kUnknownDim ? config.max_rois : out.shape[0];
    macs += product * batch * out.shape[2] * out.shape[3];
  }
  return macs;
}

}  // namespace importer

std::string format_report(const ImportReport& report) {
  std::string text;
  const auto line = [&text](const std::string& name, const std::string& value) {
    text += padded(name, 14) + value + "\n";
  };
  line("imported", concat(report.onnx_path, " (", grouped(report.onnx_bytes), " bytes, ", report.nodes, " nodes)"));
  line("written", concat(report.blob_path, " (", grouped(report.blob_bytes), " bytes)"));
  line("exporter", report.exporter);
  line("weights", report.has_fingerprint ? report.weights
                                         : concat(report.weights, " (weights unproven: the file has no fingerprint)"));
  line("layers", concat(report.layers, ", ", grouped(report.parameters), " parameters"));
  line("GMAC", concat(giga(report.macs_before), " as exported, ", giga(report.macs_after), " after the rewrites"));
  line("source", concat("sha256 ", report.source_sha256));
  for (const ImportGlue& glue : report.glue)
    line(glue.by_reading ? "proven" : "NOT PROVEN",
         concat(padded(glue.item, 28), glue.by_reading ? "by reading: " : "needs --verify: ", glue.detail));
  for (const std::string& note : report.notes) line("note", note);
  return text;
}

std::string format_report(const VerifyReport& report) {
  std::string text;
  for (const StageCheck& check : report.checks) {
    text += padded(check.passed ? "ok" : "FAILED", 8) + padded(check.pair, 22) + padded(check.stage, 16);
    text += concat(check.compared, " values, p99 ", check.p99, " (limit ", check.limit_p99, "), worst ", check.worst,
                   " (limit ", check.limit, ")");
    if (check.exceptions > 0)
      text += concat(", ", check.exceptions, " exceptions (limit ", check.exceptions_limit, ")");
    if (!check.detail.empty()) text += ": " + check.detail;
    text += "\n";
  }
  if (!report.has_fingerprint) text += "weights unproven: the ONNX file has no fingerprint\n";
  return text;
}

}  // namespace sln
