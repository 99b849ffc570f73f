// ONNX file -> Graph. The only file that knows the ONNX schema and protobuf.
#pragma once

#include <string>

#include "importer/graph.h"

namespace sln::importer {

struct OnnxFile {
  Graph graph;                      // constants resolved, topologically sorted
  std::string sha256;               // of the file, with its external data files appended in order of first use
  int64_t bytes = 0;                // of all these files
  int nodes = 0;                    // in the file, Constant nodes included
  std::vector<std::string> unused;  // initializers that no node reads
};

// Throws Error(kIo) where a file cannot be read, Error(kFormat | kUnsupported) where it is not a graph that the
// importer can understand; the text names the file, the node where there is one, what was expected and what was found.
OnnxFile read_onnx(const std::string& path);

}  // namespace sln::importer
