// Decoding of every accepted form of image, refusal of every damaged one, and the PNGs that are written.
#include "apps/image_io.h"

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "apps/failure.h"
#include "apps/image_header.h"

namespace {

using namespace sln::apps;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

std::string be(uint32_t value, int bytes) {
  std::string out;
  for (int i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}
std::string le(uint32_t value, int bytes) {
  const std::string big = be(value, bytes);
  return std::string(big.rbegin(), big.rend());
}

std::string png_chunk(const std::string& name, const std::string& content) {
  uint32_t crc = 0xFFFFFFFFu;
  for (char c : name + content) {
    crc ^= static_cast<uint8_t>(c);
    for (int k = 0; k < 8; ++k) crc = (crc & 1) != 0 ? 0xEDB88320u ^ (crc >> 1) : crc >> 1;
  }
  return be(static_cast<uint32_t>(content.size()), 4) + name + content + be(crc ^ 0xFFFFFFFFu, 4);
}

// A zlib stream of one stored block.
std::string zlib_stored(const std::string& data) {
  uint32_t a = 1, b = 0;
  for (char c : data) {
    a = (a + static_cast<uint8_t>(c)) % 65521;
    b = (b + a) % 65521;
  }
  const uint32_t size = static_cast<uint32_t>(data.size());
  return "\x78\x01\x01" + le(size, 2) + le(~size & 0xFFFF, 2) + data + be(b << 16 | a, 4);
}

// rows: the samples of each row, most significant byte first.
std::string make_png(uint32_t width, uint32_t height, int bits, int colour_type, const std::vector<std::string>& rows,
                     const std::string& extra = "") {
  std::string data;
  for (const std::string& row : rows) data += '\0' + row;  // filter type 0
  const std::string header =
      be(width, 4) + be(height, 4) + static_cast<char>(bits) + static_cast<char>(colour_type) + std::string(3, '\0');
  return "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", header) + extra + png_chunk("IDAT", zlib_stored(data)) +
         png_chunk("IEND", "");
}

std::string from_hex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2) out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return out;
}

// 16 x 8, grey: 30 on the left half, 220 on the right.
std::string small_jpeg() {
  return from_hex(
      "ffd8ffe000104a46494600010100000100010000ffdb0043000d090a0b0a080d0b0a0b0e0e0d0f13201513121213271c1e17202e2931302e"
      "292d2c"
      "333a4a3e333646372c2d405741464c4e525352323e5a615a50604a51524fffc0000b080008001001011100ffc40015000101000000000000"
      "00000000"
      "000000000607ffc40014100100000000000000000000000000000000ffda0008010100003f0006babfffd9");
}

std::string exif_segment(uint32_t orientation, bool big) {
  const auto n = [&](uint32_t value, int bytes) { return big ? be(value, bytes) : le(value, bytes); };
  return std::string("Exif\0\0", 6) + (big ? "MM" : "II") + n(42, 2) + n(8, 4) + n(2, 2) +  //
         n(0x010F, 2) + n(2, 2) + n(1, 4) + n(0, 4) +                                       // another tag first
         n(0x0112, 2) + n(3, 2) + n(1, 4) + n(orientation, 2) + n(0, 2) + n(0, 4);
}

std::string jpeg_with_exif(const std::string& segment) {
  const std::string jpeg = small_jpeg();
  return jpeg.substr(0, 2) + "\xFF\xE1" + be(static_cast<uint32_t>(segment.size() + 2), 2) + segment + jpeg.substr(2);
}

std::string make_bmp(int32_t width, int32_t height, const std::string& rows) {
  return "BM" + le(static_cast<uint32_t>(54 + rows.size()), 4) + le(0, 4) + le(54, 4) + le(40, 4) +
         le(static_cast<uint32_t>(width), 4) + le(static_cast<uint32_t>(height), 4) + le(1, 2) + le(24, 2) +
         std::string(24, '\0') + rows;
}

std::vector<uint8_t> decoded(const std::string& bytes) {
  return decode_image(bytes, "x", true).rgb;
}

using Bytes = std::vector<uint8_t>;

}  // namespace

TEST_CASE("PNG of every kind of sample becomes 8-bit RGB") {
  CHECK(decoded(make_png(2, 1, 8, 0, {"\x10\x20"})) == Bytes{16, 16, 16, 32, 32, 32});
  CHECK(decoded(make_png(2, 1, 8, 2, {"\x01\x02\x03\x04\x05\x06"})) == Bytes{1, 2, 3, 4, 5, 6});
  // Alpha is ignored: a fully transparent pixel keeps its colour.
  CHECK(decoded(make_png(1, 1, 8, 6, {std::string("\x01\x02\x03\x00", 4)})) == Bytes{1, 2, 3});
  CHECK(decoded(make_png(1, 1, 8, 4, {std::string("\x41\x00", 2)})) == Bytes{65, 65, 65});
  // 16 bits are shifted, not rounded: 0x12FF becomes 0x12.
  CHECK(decoded(make_png(1, 1, 16, 0, {"\x12\xFF"})) == Bytes{18, 18, 18});
  CHECK(decoded(make_png(1, 1, 16, 2, {"\x01\xFF\x02\x80\x03\x7F"})) == Bytes{1, 2, 3});
  CHECK(decoded(make_png(4, 1, 1, 0, {"\xA0"})) == Bytes{255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0});
  const std::string palette = png_chunk("PLTE", "\x0A\x0B\x0C\x14\x15\x16");
  CHECK(decoded(make_png(2, 1, 8, 3, {std::string("\x01\x00", 2)}, palette)) == Bytes{20, 21, 22, 10, 11, 12});
}

TEST_CASE("BMP rows run from bottom to top, or from top to bottom with a negative height") {
  const std::string blue_row = std::string("\xFF\x00\x00\x00", 4), red_row = std::string("\x00\x00\xFF\x00", 4);
  CHECK(decoded(make_bmp(1, 2, blue_row + red_row)) == Bytes{255, 0, 0, 0, 0, 255});
  CHECK(decoded(make_bmp(1, -2, blue_row + red_row)) == Bytes{0, 0, 255, 255, 0, 0});
}

TEST_CASE("PNM in its six forms") {
  CHECK(decoded("P1 2 2\n1 0\n01") == Bytes{0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0});
  CHECK(decoded("P4 2 1\n\x80") == Bytes{0, 0, 0, 255, 255, 255});
  CHECK(decoded("P2 # grey\n2 1 255 7\n200\n") == Bytes{7, 7, 7, 200, 200, 200});
  CHECK(decoded("P2 2 1 100 50 100") == Bytes{128, 128, 128, 255, 255, 255});
  CHECK(decoded("P3 1 1 65535 511 512 65535") == Bytes{1, 2, 255});
  CHECK(decoded("P5 2 1 255\n\x07\xC8") == Bytes{7, 7, 7, 200, 200, 200});
  CHECK(decoded("P6 1 1 255\nabc") == Bytes{97, 98, 99});
  CHECK(decoded("P5 1 1 65535\n\x12\xFF") == Bytes{18, 18, 18});
  CHECK_THROWS_WITH(decoded("P2 1 1 100 101"), Contains("at most 100, found 101"));
  CHECK_THROWS_WITH(decoded("P5 1 1 70000\nab"), Contains("from 1 to 65535, found 70000"));
  CHECK_THROWS_WITH(decoded("P5 x 1 255\nab"), Contains("width"));
}

TEST_CASE("JPEG is decoded near to what was stored, its EXIF orientation applied on demand") {
  const Image plain = decode_image(small_jpeg(), "x", true);
  REQUIRE(plain.width == 16);
  REQUIRE(plain.height == 8);
  CHECK(plain.orientation == 1);
  CHECK(plain.rgb.front() == Approx(30).margin(8));
  CHECK(plain.rgb.back() == Approx(220).margin(8));
  for (const bool big : {false, true}) {
    const std::string turned = jpeg_with_exif(exif_segment(6, big));
    const Image upright = decode_image(turned, "x", true);
    CHECK(upright.width == 8);
    CHECK(upright.height == 16);
    CHECK(upright.orientation == 6);
    CHECK(upright.rgb.front() == Approx(30).margin(8));  // the left half comes to the top
    const Image stored = decode_image(turned, "x", false);
    CHECK(stored.width == 16);
    CHECK(stored.orientation == 1);
  }
}

TEST_CASE("orient puts each stored pixel where EXIF says") {
  // 3 x 2, pixel values 0..5 in reading order; expected reading order after each orientation.
  const std::vector<std::pair<int, std::vector<int>>> cases = {
      {1, {3, 2, 0, 1, 2, 3, 4, 5}}, {2, {3, 2, 2, 1, 0, 5, 4, 3}}, {3, {3, 2, 5, 4, 3, 2, 1, 0}},
      {4, {3, 2, 3, 4, 5, 0, 1, 2}}, {5, {2, 3, 0, 3, 1, 4, 2, 5}}, {6, {2, 3, 3, 0, 4, 1, 5, 2}},
      {7, {2, 3, 5, 2, 4, 1, 3, 0}}, {8, {2, 3, 2, 5, 1, 4, 0, 3}}};
  for (const auto& [orientation, expected] : cases) {
    Image image;
    image.width = 3;
    image.height = 2;
    for (uint8_t i = 0; i < 18; ++i) image.rgb.push_back(static_cast<uint8_t>(i / 3));
    orient(&image, orientation);
    INFO("orientation " << orientation);
    CHECK(image.width == expected[0]);
    CHECK(image.height == expected[1]);
    for (size_t i = 0; i < 6; ++i) CHECK(image.rgb[3 * i] == expected[i + 2]);
  }
}

TEST_CASE("A damaged EXIF segment means no orientation") {
  const std::string good = exif_segment(8, true);
  REQUIRE(exif_orientation(good) == 8);
  for (size_t length = 0; length < good.size() - 6; ++length) CHECK(exif_orientation(good.substr(0, length)) == 1);
  CHECK(exif_orientation(exif_segment(0, true)) == 1);
  CHECK(exif_orientation(exif_segment(9, false)) == 1);
  std::string far = good;
  far.replace(10, 4, "\xFF\xFF\xFF\xFF");  // offset of the directory
  CHECK(exif_orientation(far) == 1);
}

TEST_CASE("Every proper prefix of an image is refused, by name") {
  const std::vector<std::string> images = {small_jpeg(),
                                           jpeg_with_exif(exif_segment(3, true)),
                                           make_png(2, 2, 8, 2, {"abcdef", "ghijkl"}),
                                           make_bmp(2, 2, "abcdef  ghijkl  "),
                                           "P6 2 2 255\nabcdefghijkl",
                                           "P5 2 2 65535\nabcdefgh",
                                           "P4 9 2\nabcd"};
  for (const std::string& image : images) {
    REQUIRE_NOTHROW(decoded(image));
    for (size_t length = 0; length < image.size(); ++length) {
      INFO("format " << image.substr(0, 2) << ", length " << length << " of " << image.size());
      CHECK_THROWS_WITH(decode_image(image.substr(0, length), "dir/x.img", true), StartsWith("dir/x.img: expected "));
    }
  }
  CHECK_THROWS_WITH(decoded(""), Contains("found an empty file"));
  CHECK_THROWS_WITH(decoded("GIF89a"),
                    Contains("expected a JPEG, PNG, BMP or PNM image, found a file that begins with bytes 47 49"));
}

TEST_CASE("A PNG with one bit flipped is refused") {
  const std::string png = make_png(2, 2, 8, 2, {"abcdef", "ghijkl"});
  for (size_t bit = 64; bit < 8 * png.size(); ++bit) {  // the signature's bits make it a file of another kind
    std::string flipped = png;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    INFO("bit " << bit);
    CHECK_THROWS_AS(decoded(flipped), Failure);
  }
}

TEST_CASE("Sizes: 1 x 1 works, zero and too large do not") {
  CHECK(decoded(make_png(1, 1, 8, 0, {"a"})).size() == 3);
  CHECK_THROWS_WITH(decoded(make_png(0, 3, 8, 0, {""})), Contains("at least 1 x 1 pixels, found 0 x 3"));
  CHECK_THROWS_WITH(decoded("P6 4 0 255\n"), Contains("at least 1 x 1 pixels, found 4 x 0"));
  CHECK_THROWS_WITH(decoded(make_bmp(0, 1, "")), Contains("found 0 x 1"));
  CHECK_THROWS_WITH(decoded("P5 70000 1 255\n"), Contains("at most 65535 pixels a side"));
  CHECK_THROWS_WITH(decoded("P5 60000 60000 255\n"), Contains("268435456 in all"));
  std::string jpeg = small_jpeg();
  const size_t frame = jpeg.find("\xFF\xC0");
  jpeg.replace(frame + 5, 2, std::string(2, '\0'));
  CHECK_THROWS_WITH(decoded(jpeg), Contains("found 16 x 0"));
  CHECK_THROWS_WITH(decoded("P6 60000 4000 255\nabc"), Contains("truncated"));  // refused before memory is taken
}

TEST_CASE("JPEG of a kind that cannot be decoded is named") {
  std::string jpeg = small_jpeg();
  const size_t frame = jpeg.find("\xFF\xC0");
  std::string arithmetic = jpeg;
  arithmetic[frame + 1] = '\xC9';
  CHECK_THROWS_WITH(decoded(arithmetic), Contains("SOF9"));
  // Codes beyond the 256th would be written past the decoder's table.
  const size_t table = jpeg.find("\xFF\xC4") + 5;
  std::string many = jpeg;
  many.replace(table, 2, "\xFF\x02");
  CHECK_THROWS_WITH(decoded(many), Contains("at most 256 codes, found one of 257"));
  std::string rest = jpeg;
  rest.replace(table, 1, 1, '\2');  // a code too many for the segment's length
  CHECK_THROWS_WITH(decoded(rest), Contains("whole JPEG Huffman tables"));
  std::string deep = jpeg;
  deep[frame + 4] = 12;
  CHECK_THROWS_WITH(decoded(deep), Contains("8 bits per sample, found 12"));
  std::string four = jpeg;
  four[frame + 9] = 4;
  CHECK_THROWS_WITH(decoded(four), Contains("4 components of unknown meaning"));
}

TEST_CASE("An encoded PNG decodes to the same pixels") {
  for (const auto& [width, height] : std::vector<std::pair<int, int>>{{1, 1}, {3, 70}, {257, 5}, {64, 64}}) {
    Image image;
    image.width = width;
    image.height = height;
    uint32_t state = 1;
    for (int i = 0; i < 3 * width * height; ++i) {
      state = state * 1664525u + 1013904223u;
      image.rgb.push_back(static_cast<uint8_t>(i % 5 == 0 ? state >> 24 : 90));
    }
    const std::string png = encode_png(image);
    CHECK(decoded(png) == image.rgb);
    CHECK(encode_png(image) == png);
  }
}
