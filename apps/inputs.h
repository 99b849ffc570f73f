// The images of a run: which files, under which names and image ids.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sln::apps {

struct InputImage {
  std::string path;  // to open it
  std::string file;  // relative path, as reported
  std::string name;  // `file` with / as __: stem of the output names
  int64_t image_id = 0;
  int annotated_width = 0;   // pixels, 0 where no annotation says
  int annotated_height = 0;  // pixels
};

struct AnnotatedImage {
  int64_t id = 0;
  int width = 0;   // pixels, 0 where not given
  int height = 0;  // pixels
};

// The "images" of a COCO file by file_name, which must be unique, as ids must.
using Annotations = std::map<std::string, AnnotatedImage>;
Annotations read_annotations(const std::string& path);

// Every image of the inputs, in order. An input is
//   an image: its relative path is the path as given (of an absolute path: the file name);
//   a folder: its JPEG, PNG, BMP and PNM files by suffix, not those of folders below, in byte order; relative to it;
//   a text file (.txt, .lst, .list) with one path a line, relative to the folder of the text file; blank lines and
//   lines
//     that begin with # are skipped.
// "." and leading ".." and / are dropped from relative paths.
// image_id: by annotations (relative path, else file name), else the trailing digits of the file name's stem (at most
// 18 of them), else counted: the smallest positive numbers that no other image of the run has, in order. Throws Failure
// on an input that is none of these, a folder without images, and two images of one id or one name. An image file that
// is missing or broken is found when it is read.
std::vector<InputImage> collect_inputs(const std::vector<std::string>& inputs, const Annotations* annotations,
                                       const std::string& annotations_path);

}  // namespace sln::apps
