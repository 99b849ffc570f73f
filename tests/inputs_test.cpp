// Which images a run takes, under which names and ids; reading and writing of files.
#include "apps/inputs.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "apps/failure.h"
#include "apps/files.h"
#include "apps/image_loader.h"
#include "apps/numbers.h"
#include "tests/support/files.h"

namespace {

using namespace sln::apps;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

// A temporary folder with what these tests do in it.
class Scratch {
 public:
  std::string write(const std::string& name, const std::string& content = "") const {
    const fs::path path = fs::path(folder_.path()) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  std::string path(const std::string& name = "") const { return name.empty() ? folder_.path() : folder_.path(name); }
  size_t count() const {
    size_t n = 0;
    for (auto it = fs::recursive_directory_iterator(folder_.path()); it != fs::recursive_directory_iterator(); ++it)
      ++n;
    return n;
  }

 private:
  sln::test::TemporaryFolder folder_;
};

std::vector<InputImage> collect(const std::vector<std::string>& inputs) {
  return collect_inputs(inputs, nullptr, "");
}

std::vector<std::string> files_of(const std::vector<InputImage>& images) {
  std::vector<std::string> files;
  for (const InputImage& image : images) files.push_back(image.file);
  return files;
}

std::vector<int64_t> ids_of(const std::vector<InputImage>& images) {
  std::vector<int64_t> ids;
  for (const InputImage& image : images) ids.push_back(image.image_id);
  return ids;
}

}  // namespace

TEST_CASE("A folder is read in byte order and not recursively") {
  const Scratch scratch;
  for (const char* name : {"b.jpg", "a.PNG", "Z.bmp", "\xC3\xA4.jpg", "notes.txt", "deep/c.jpg", "pic.jpeg.gz"})
    scratch.write(name);
  fs::create_directory(scratch.path("folder.jpg"));
  CHECK(files_of(collect({scratch.path()})) == std::vector<std::string>{"Z.bmp", "a.PNG", "b.jpg", "\xC3\xA4.jpg"});
  CHECK_THROWS_WITH(collect({scratch.path("folder.jpg")}),
                    Contains("expected a folder with JPEG, PNG, BMP or PNM images, found none"));
}

TEST_CASE("A text file lists paths relative to its own folder") {
  const Scratch scratch;
  const std::string list =
      scratch.write("lists/all.txt", "# photos\na.jpg\r\n\nsub/b.png\n./sub/../sub/c.bmp\n../up.ppm\n/abs/d.jpg");
  const auto images = collect({list});
  CHECK(files_of(images) == std::vector<std::string>{"a.jpg", "sub/b.png", "sub/c.bmp", "up.ppm", "d.jpg"});
  CHECK(images[1].name == "sub__b.png");
  CHECK(images[1].path == scratch.path("lists/sub/b.png"));
  CHECK(images[4].path == "/abs/d.jpg");
  CHECK_THROWS_WITH(collect({scratch.write("empty.txt", "# nothing\n")}), Contains("found no path in it"));
  CHECK_THROWS_WITH(collect({scratch.write("binary.txt", std::string("a\0b", 3))}), Contains("found a binary file"));
}

TEST_CASE("An image keeps the relative path it was given by") {
  const auto images = collect({"x/y/1.jpg", "./2.png", "../up/3.bmp", "/some/where/4.ppm"});
  CHECK(files_of(images) == std::vector<std::string>{"x/y/1.jpg", "2.png", "up/3.bmp", "4.ppm"});
  CHECK(images[0].name == "x__y__1.jpg");
  CHECK(images[0].path == "x/y/1.jpg");
  CHECK_THROWS_WITH(collect({"/nowhere/model.onnx"}),
                    Contains("/nowhere/model.onnx: expected an image") && Contains("found nothing there"));
}

TEST_CASE("Ids are trailing digits, else counted around those") {
  CHECK(ids_of(collect({"COCO_val2014_000000000139.jpg", "a.jpg", "img2.jpg", "b.jpg", "x1.png", "c.jpg"})) ==
        std::vector<int64_t>{139, 3, 2, 4, 1, 5});
  // More digits than an id can hold are no id; digits that do not end the stem are none either.
  CHECK(ids_of(collect({"1234567890123456789.jpg", "7a.jpg"})) == std::vector<int64_t>{1, 2});
}

TEST_CASE("Two images of one id or one output name are refused") {
  CHECK_THROWS_WITH(collect({"a7.jpg", "b07.jpg"}),
                    Contains("b07.jpg: expected images of different image_id, found 7 also for a7.jpg"));
  CHECK_THROWS_WITH(collect({"d/x.jpg", "d__x.jpg"}),
                    Contains("different output names, found \"d__x.jpg\" also for d/x.jpg"));
  CHECK_THROWS_WITH(collect({"a.jpg", "./a.jpg"}), Contains("different output names"));
}

TEST_CASE("Annotations give the ids, by relative path first") {
  const Scratch scratch;
  const std::string path =
      scratch.write("coco.json", R"({"images": [{"id": 7, "file_name": "x.jpg", "width": 3, "height": 2},
      {"id": 8, "file_name": "sub/x.jpg"}], "annotations": []})");
  const Annotations annotations = read_annotations(path);
  const auto images = collect_inputs({"sub/x.jpg", "other/x.jpg"}, &annotations, path);
  CHECK(ids_of(images) == std::vector<int64_t>{8, 7});
  CHECK(images[1].annotated_width == 3);
  CHECK(images[1].annotated_height == 2);
  CHECK_THROWS_WITH(collect_inputs({"y.jpg"}, &annotations, path),
                    Contains("coco.json: expected an image with file_name \"y.jpg\", found none"));
  CHECK_THROWS_WITH(read_annotations(scratch.write("bad.json", "{\"images\": [")),
                    Contains("bad.json: expected a COCO annotation file"));
  CHECK_THROWS_WITH(read_annotations(scratch.write("list.json", "[]")),
                    Contains("list.json: expected a COCO annotation file"));
  CHECK_THROWS_WITH(read_annotations(scratch.write(
                        "twice.json", R"({"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]})")),
                    Contains("found 1 twice"));
}

TEST_CASE("The loader hands out every image in order and names the broken ones") {
  const Scratch scratch;
  std::vector<InputImage> inputs;
  for (int i = 0; i < 9; ++i) {
    InputImage input;
    const std::string size = std::to_string(i + 1);
    input.path = scratch.write("p" + size + ".ppm",
                               "P5 " + size + " 1 255\n" + std::string(i == 4 ? 2 : static_cast<size_t>(i) + 1, 'x'));
    if (i == 6) input.annotated_width = 99;
    inputs.push_back(input);
  }
  ImageLoader loader(inputs, true);
  for (int i = 0; i < 9; ++i) {
    const LoadedImage loaded = loader.next();
    INFO("image " << i);
    if (i == 4) {
      CHECK_THAT(loaded.problem, Contains("p5.ppm: expected ") && Contains("truncated"));
    } else if (i == 6) {
      CHECK_THAT(loaded.problem, Contains("p7.ppm: expected 99 x 0 pixels as annotated, found 7 x 1"));
    } else {
      CHECK(loaded.problem.empty());
      CHECK(loaded.image.width == i + 1);
    }
  }
  const ImageLoader abandoned(inputs, true);  // must not wait for images that nobody fetches
}

TEST_CASE("A pending file appears complete or not at all") {
  const Scratch scratch;
  {
    PendingFile file(scratch.path("out.json"));
    file.append("half");
    file.finish();
    CHECK(!fs::exists(scratch.path("out.json")));
  }
  CHECK(scratch.count() == 0);
  scratch.write("out.json", "old");
  write_file_atomically(scratch.path("out.json"), "new");
  CHECK(read_file(scratch.path("out.json")) == "new");
  CHECK(scratch.count() == 1);
  CHECK_THROWS_WITH(PendingFile(scratch.path("out.json/x/y")), Contains("out.json is a regular file"));
  CHECK_THROWS_WITH(PendingFile(scratch.path("none/x")), Contains("No such file"));
  CHECK_THROWS_WITH(PendingFile(scratch.path()), Contains("expected a file to write, found a folder"));
  CHECK_THROWS_WITH(read_file(scratch.path()), Contains("expected a regular file, found a folder"));
  CHECK_THROWS_WITH(read_file(scratch.path("none")), Contains("none: expected a readable file, found: No such file"));
}

TEST_CASE("A set of outputs is all or nothing, with its folders") {
  const Scratch scratch;
  {
    OutputSet set(scratch.path("a/b/"));
    set.add("1").append("one");
    set.add("2").append("two");
    set.commit();
  }
  CHECK(read_file(scratch.path("a/b/1")) == "one");
  CHECK(read_file(scratch.path("a/b/2")) == "two");
  CHECK(scratch.count() == 4);
  {
    OutputSet set(scratch.path("c/d"));
    set.add("1").append("one");
  }
  CHECK(!fs::exists(scratch.path("c")));
  {
    OutputSet set(scratch.path("a/e"));
    set.add("1").append("one");
    fs::create_directory(scratch.path("a/e/2"));
    CHECK_THROWS_WITH(set.add("2"), Contains("found a folder"));
  }
  CHECK(!fs::exists(scratch.path("a/e/1")));
  CHECK_THROWS_WITH(OutputSet(scratch.path("a/b/1/new")), Contains("a/b/1 is a regular file"));
  CHECK(scratch.count() == 6);
}

TEST_CASE("A file that outgrows the limit is a failure that leaves nothing") {
  const Scratch scratch;
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  for (const rlim_t limit : {rlim_t{0}, rlim_t{1}, rlim_t{4095}, rlim_t{1500000}}) {
    const rlimit tight = {limit, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    std::string problem;
    try {
      write_file_atomically(scratch.path("big"), std::string(3000000, 'x'));
    } catch (const Failure& failure) {
      problem = failure.what();
    }
    setrlimit(RLIMIT_FSIZE, &before);
    CHECK_THAT(problem, Contains("big: expected to write the whole file, found: File too large"));
    CHECK(scratch.count() == 0);
  }
}

TEST_CASE("Numbers are read whole and within their range") {
  CHECK(parse_double("--score", "0.25", 0, 1) == 0.25);
  CHECK(parse_double("--score", "1e-3", 0, 1) == 0.001);
  for (const char* bad : {"", "x", "0,5", "0.5x", " 0.5", "nan", "inf", "-0.1", "1.1", "0x1"}) {
    INFO(bad);
    CHECK_THROWS_WITH(parse_double("--score", bad, 0, 1),
                      Contains("--score: expected a number from 0 to 1, found \"" + std::string(bad)));
  }
  CHECK(parse_int("--threads", "256", 1, 256) == 256);
  for (const char* bad : {"", "0", "257", "2.0", "+2", "99999999999999999999"})
    CHECK_THROWS_AS(parse_int("--threads", bad, 1, 256), Failure);
  CHECK(shortest(0.1f) == "0.1");
  CHECK(shortest_double(0.1f) == 0.1);
  CHECK(fixed(1.005, 1) == "1.0");
}
