#include "engine/stages/rle.h"

#include <catch2/catch.hpp>

#include "tests/naive/decode.h"
#include "tests/support/op_buffers.h"

namespace {

std::string text_of(const sln::Runs& runs) {
  std::string text = "left over";
  sln::compress_runs(runs, text);
  return text;
}

}  // namespace

TEST_CASE("run lengths as compressed COCO text, by hand") {
  CHECK(text_of({}).empty());
  CHECK(text_of({0, 1}) == "01");  // one pixel, set
  CHECK(text_of({6}) == "6");      // nothing set
  CHECK(text_of({15}) == "?");     // the largest value of one group
  CHECK(text_of({16}) == "`0");    // bit 4 is the sign, so 16 takes a second group
  CHECK(text_of({31, 32}) == "o0P1");
  CHECK(text_of({1000}) == "Xo0");  // 1000 = 31 * 32 + 8: 8 | more, 31 | more, 0
  CHECK(text_of({5, 1, 3, 1, 3}) == "51300");
  CHECK(text_of({5, 4, 3, 3, 3}) == "543O0");     // 3 - 4 = -1: group 31 alone
  CHECK(text_of({0, 20, 1, 4, 1}) == "0d01@0");   // 4 - 20 = -16: the smallest value of one group
  CHECK(text_of({0, 40, 1, 7, 1}) == "0X11oN0");  // 7 - 40 = -33: group 31 | more, then -2
  CHECK(text_of({4294967295u}) == "oooooo3");
}

TEST_CASE("compressed text agrees with its own definition and can be read back") {
  sln_test::Random random(3);
  for (int i = 0; i < 2000; ++i) {
    sln::Runs runs;
    const int count = random.below(12);
    for (int k = 0; k < count; ++k) runs.push_back(random.bits() >> random.below(32));
    const std::string text = text_of(runs);
    REQUIRE(text == sln::naive::text_of_runs(runs));
    REQUIRE(sln::naive::runs_of_text(text) == runs);
  }
}

TEST_CASE("runs are built from changes") {
  sln::Runs runs = {1, 2, 3};
  SECTION("an empty mask is one run of zeros") {
    sln::RunBuilder builder(runs);
    builder.set(false, 3);
    builder.finish(12);
    CHECK(runs == sln::Runs{12});
  }
  SECTION("a full mask begins with no zeros") {
    sln::RunBuilder builder(runs);
    builder.set(true, 0);
    builder.finish(12);
    CHECK(runs == sln::Runs{0, 12});
  }
  SECTION("columns that touch at foot and head are one run") {
    sln::RunBuilder builder(runs);
    builder.set(true, 2);
    builder.set(false, 4);
    builder.set(true, 4);
    builder.set(false, 8);
    builder.set(true, 8);
    builder.set(false, 9);
    builder.finish(12);
    CHECK(runs == sln::Runs{2, 7, 3});
  }
  SECTION("a mask that ends at the last pixel has no run after it") {
    sln::RunBuilder builder(runs);
    builder.set(true, 0);
    builder.set(false, 4);
    builder.set(true, 4);
    builder.set(false, 12);
    builder.finish(12);
    CHECK(runs == sln::Runs{0, 12});
  }
}

TEST_CASE("runs of random masks are those of a scan") {
  sln_test::Random random(5);
  for (int i = 0; i < 500; ++i) {
    const int w = 1 + random.below(9), h = 1 + random.below(9);
    std::vector<uint8_t> mask(static_cast<size_t>(w * h));
    const int density = 1 + random.below(5);
    for (uint8_t& pixel : mask) pixel = random.below(density + 1) < density;
    sln::Runs runs;
    sln::RunBuilder builder(runs);
    for (int x = 0; x < w; ++x) {
      for (int y = 0; y < h; ++y) builder.set(mask[static_cast<size_t>(y * w + x)] != 0, x * h + y);
      builder.set(false, (x + 1) * h);  // as the foot of a window that fills the image's height
    }
    builder.finish(w * h);
    REQUIRE(runs == sln::naive::runs_of_mask(mask, w, h));
    REQUIRE(sln::naive::mask_of_runs(runs, w, h) == mask);
  }
}
