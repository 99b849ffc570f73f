#include "apps/inputs.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "apps/failure.h"
#include "apps/files.h"

namespace sln::apps {
namespace {

namespace fs = std::filesystem;

bool has_suffix(const std::string& path, const std::vector<std::string>& suffixes) {
  std::string suffix = fs::path(path).extension().string();
  for (char& c : suffix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end();
}

bool is_image_name(const std::string& path) {
  static const std::vector<std::string> suffixes = {".jpg", ".jpeg", ".png", ".bmp", ".pnm", ".ppm", ".pgm", ".pbm"};
  return has_suffix(path, suffixes);
}

std::string relative_file(const std::string& path) {
  fs::path out;
  for (const fs::path& part : fs::path(path).lexically_normal().relative_path()) {
    if (part != "." && part != "..") out /= part;
  }
  return out.string();
}

InputImage make_input(const std::string& path, const std::string& file) {
  InputImage input;
  input.path = path;
  input.file = relative_file(file);
  for (char c : input.file) input.name += c == '/' ? std::string("__") : std::string(1, c);
  if (input.name.empty()) fail(path, ": expected the path of an image, found no file name in it");
  return input;
}

void add_folder(const std::string& folder, std::vector<InputImage>* images) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator it(folder, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    const std::string name = it->path().filename().string();
    if (is_image_name(name) && !fs::is_directory(it->path(), ignored)) names.push_back(name);
  }
  if (error) fail(folder, ": expected a readable folder, found: ", error.message());
  if (names.empty()) fail(folder, ": expected a folder with JPEG, PNG, BMP or PNM images, found none in it");
  std::sort(names.begin(), names.end());  // bytes compare as unsigned
  for (const std::string& name : names) images->push_back(make_input((fs::path(folder) / name).string(), name));
}

void add_list(const std::string& path, std::vector<InputImage>* images) {
  const std::string content = read_file(path);
  if (content.find('\0') != std::string::npos)
    fail(path, ": expected a text file with one path a line, found a binary file");
  const fs::path folder = fs::path(path).parent_path();
  const size_t before = images->size();
  for (size_t begin = 0; begin < content.size();) {
    const size_t end = std::min(content.find('\n', begin), content.size());
    std::string line = content.substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line[0] == '#') continue;
    images->push_back(
        make_input((folder / line).string(), fs::path(line).is_absolute() ? fs::path(line).filename().string() : line));
  }
  if (images->size() == before) fail(path, ": expected a text file with one path a line, found no path in it");
}

void add_input(const std::string& input, std::vector<InputImage>* images) {
  std::error_code ignored;
  if (fs::is_directory(input, ignored)) {
    add_folder(input, images);
  } else if (has_suffix(input, {".txt", ".lst", ".list"})) {
    add_list(input, images);
  } else if (is_image_name(input)) {
    images->push_back(make_input(input, fs::path(input).is_absolute() ? fs::path(input).filename().string() : input));
  } else {
    fail(input,
         ": expected an image (.jpg .jpeg .png .bmp .pnm .ppm .pgm .pbm), a folder, or a text file of paths (.txt "
         ".lst .list), found ",
         fs::exists(input, ignored) ? "a file of another kind" : "nothing there");
  }
}

// Value of the trailing digits of the stem, -1 where there are none or more than fit.
int64_t trailing_digits(const std::string& file) {
  const std::string stem = fs::path(file).stem().string();
  size_t begin = stem.size();
  while (begin > 0 && stem[begin - 1] >= '0' && stem[begin - 1] <= '9') --begin;
  if (begin == stem.size() || stem.size() - begin > 18) return -1;
  int64_t value = 0;
  for (size_t i = begin; i < stem.size(); ++i) value = 10 * value + (stem[i] - '0');
  return value;
}

void annotate(InputImage* image, const Annotations& annotations, const std::string& where) {
  auto found = annotations.find(image->file);
  if (found == annotations.end()) found = annotations.find(fs::path(image->file).filename().string());
  if (found == annotations.end()) fail(where, ": expected an image with file_name \"", image->file, "\", found none");
  image->image_id = found->second.id;
  image->annotated_width = found->second.width;
  image->annotated_height = found->second.height;
}

void number(std::vector<InputImage>* images) {
  std::set<int64_t> taken;
  for (InputImage& image : *images) {
    image.image_id = trailing_digits(image.file);
    if (image.image_id >= 0) taken.insert(image.image_id);
  }
  int64_t next = 1;
  for (InputImage& image : *images) {
    if (image.image_id >= 0) continue;
    while (taken.count(next) != 0) ++next;
    image.image_id = next++;
  }
}

void check_collisions(const std::vector<InputImage>& images) {
  std::map<std::string, const InputImage*> names;
  std::map<int64_t, const InputImage*> ids;
  for (const InputImage& image : images) {
    const auto [same_name, new_name] = names.emplace(image.name, &image);
    if (!new_name) {
      fail(image.path, ": expected images of different output names, found \"", image.name, "\" also for ",
           same_name->second->path);
    }
    const auto [same_id, new_id] = ids.emplace(image.image_id, &image);
    if (!new_id) {
      fail(image.path, ": expected images of different image_id, found ", image.image_id, " also for ",
           same_id->second->path);
    }
  }
}

int size_of(const nlohmann::json& image, const char* key) {
  return image.contains(key) ? static_cast<int>(std::clamp<int64_t>(image.at(key).get<int64_t>(), 0, 1 << 30)) : 0;
}

}  // namespace

Annotations read_annotations(const std::string& path) {
  const std::string content = read_file(path);
  Annotations annotations;
  std::set<int64_t> ids;
  try {
    const nlohmann::json root = nlohmann::json::parse(content);
    for (const nlohmann::json& image : root.at("images")) {
      const AnnotatedImage entry{image.at("id").get<int64_t>(), size_of(image, "width"), size_of(image, "height")};
      const std::string file = image.at("file_name").get<std::string>();
      if (!annotations.emplace(file, entry).second)
        fail(path, ": expected each file_name once, found \"", file, "\" twice");
      if (!ids.insert(entry.id).second) fail(path, ": expected each image id once, found ", entry.id, " twice");
    }
  } catch (const nlohmann::json::exception& error) {
    fail(path, ": expected a COCO annotation file with \"images\" of \"id\" and \"file_name\", found: ", error.what());
  }
  return annotations;
}

std::vector<InputImage> collect_inputs(const std::vector<std::string>& inputs, const Annotations* annotations,
                                       const std::string& annotations_path) {
  std::vector<InputImage> images;
  for (const std::string& input : inputs) add_input(input, &images);
  if (annotations != nullptr) {
    for (InputImage& image : images) annotate(&image, *annotations, annotations_path);
  } else {
    number(&images);
  }
  check_collisions(images);
  return images;
}

}  // namespace sln::apps
