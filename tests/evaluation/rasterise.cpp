// Reads [{"polygon": [x, y, ...], "height": h, "width": w}, ...] from standard input and writes the masks' run-length
// codes as a JSON list: for tests/evaluation/check_pycocotools.py.
#include <iostream>
#include <nlohmann/json.hpp>

#include "engine/stages/rle.h"
#include "evaluation/segmentation.h"

int main() {
  const nlohmann::json requests = nlohmann::json::parse(std::cin);
  nlohmann::json codes = nlohmann::json::array();
  for (const nlohmann::json& request : requests) {
    const int height = request.at("height"), width = request.at("width");
    const sln::evaluation::Mask mask =
        sln::evaluation::parse_segmentation(request.at("polygon"), width, height, "polygon");
    sln::Runs runs;
    sln::RunBuilder builder(runs);
    for (const sln::evaluation::Span& span : mask.spans) {
      builder.set(true, span.begin);
      builder.set(false, span.end);
    }
    builder.finish(int64_t{width} * height);
    std::string text;
    sln::compress_runs(runs, text);
    codes.push_back(text);
  }
  std::cout << codes << "\n";
}
