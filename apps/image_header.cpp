#include "apps/image_header.h"

#include <array>
#include <cstdint>

#include "apps/failure.h"
#include "apps/pnm.h"

namespace sln::apps {
namespace {

uint8_t byte_at(const std::string& bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}
uint32_t be16(const std::string& b, size_t at) {
  return byte_at(b, at) << 8 | byte_at(b, at + 1);
}
uint32_t be32(const std::string& b, size_t at) {
  return be16(b, at) << 16 | be16(b, at + 2);
}
uint32_t le16(const std::string& b, size_t at) {
  return byte_at(b, at) | byte_at(b, at + 1) << 8;
}
uint32_t le32(const std::string& b, size_t at) {
  return le16(b, at) | le16(b, at + 2) << 16;
}

[[noreturn]] void fail_truncated(const std::string& path, const std::string& expected, size_t size) {
  fail(path, ": expected ", expected, ", found the end of the file after ", size, " bytes (truncated?)");
}

// ---- JPEG: SOI, segments, entropy-coded data, ..., EOI ----

struct JpegWalk {
  const std::string& bytes;
  const std::string& path;
  ImageHeader header;
  bool has_frame = false;
  bool has_scan = false;
  int components = 0;
  int adobe_transform = -1;  // -1: no Adobe APP14 segment
};

void read_frame(JpegWalk& walk, int marker, const std::string& segment) {
  // SOF0, 1: baseline and extended; SOF2: progressive. The others are lossless, hierarchical or arithmetic.
  if (marker > 0xC2) {
    fail(walk.path, ": expected a baseline or progressive JPEG, found frame type SOF", marker - 0xC0);
  }
  if (segment.size() < 6) fail(walk.path, ": expected a JPEG frame header of 6 bytes, found ", segment.size());
  if (byte_at(segment, 0) != 8) {
    fail(walk.path, ": expected a JPEG of 8 bits per sample, found ", int{byte_at(segment, 0)});
  }
  walk.header.height = be16(segment, 1);
  walk.header.width = be16(segment, 3);
  walk.components = byte_at(segment, 5);
  walk.has_frame = true;
}

// A Huffman table has at most 256 codes. Decoders are known to trust this, and to write beyond their tables.
void check_huffman_tables(const JpegWalk& walk, const std::string& segment) {
  constexpr size_t kCounts = 16;  // codes per length, behind a byte that names the table
  size_t at = 0;
  while (at + 1 + kCounts <= segment.size()) {
    size_t codes = 0;
    for (size_t i = 1; i <= kCounts; ++i) codes += byte_at(segment, at + i);
    if (codes > 256) fail(walk.path, ": expected JPEG Huffman tables of at most 256 codes, found one of ", codes);
    at += 1 + kCounts + codes;
  }
  if (at != segment.size()) {
    fail(walk.path, ": expected whole JPEG Huffman tables, found ", segment.size(), " bytes where ", at, " are needed");
  }
}

void read_segment(JpegWalk& walk, int marker, const std::string& segment) {
  const bool is_frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
  if (is_frame && !walk.has_frame) read_frame(walk, marker, segment);
  if (marker == 0xC4) check_huffman_tables(walk, segment);
  if (marker == 0xE1 && walk.header.orientation == 1) walk.header.orientation = exif_orientation(segment);
  if (marker == 0xEE && segment.size() >= 12 && segment.compare(0, 5, "Adobe") == 0) {
    walk.adobe_transform = byte_at(segment, 11);
  }
}

// First marker at or behind `at`: the place of its code. Within entropy-coded data FF 00 is data and RSTn are skipped.
size_t next_marker(const JpegWalk& walk, size_t at) {
  const std::string& bytes = walk.bytes;
  for (; at + 1 < bytes.size(); ++at) {
    if (byte_at(bytes, at) != 0xFF) continue;
    const int code = byte_at(bytes, at + 1);
    if (code != 0 && code != 0xFF && !(code >= 0xD0 && code <= 0xD7)) return at + 1;
  }
  fail_truncated(walk.path, "a JPEG that ends with an EOI marker", bytes.size());
}

ImageHeader read_jpeg(const std::string& bytes, const std::string& path) {
  JpegWalk walk{bytes, path, {}};
  size_t at = 2;
  for (;;) {
    at = next_marker(walk, at);
    const int marker = byte_at(bytes, at++);
    if (marker == 0xD9) break;                       // EOI
    if (marker == 0xD8 || marker == 0x01) continue;  // SOI again, TEM: no content
    if (bytes.size() - at < 2) fail_truncated(path, "a JPEG segment", bytes.size());
    const size_t length = be16(bytes, at);
    if (length < 2) fail(path, ": expected a JPEG segment of at least 2 bytes, found ", length);
    if (length > bytes.size() - at) fail_truncated(path, text("a JPEG segment of ", length, " bytes"), bytes.size());
    read_segment(walk, marker, bytes.substr(at + 2, length - 2));
    walk.has_scan |= marker == 0xDA;
    at += length;
  }
  if (!walk.has_frame || !walk.has_scan) {
    fail(path, ": expected a JPEG with a frame and a scan, found none before its EOI marker");
  }
  // Four components mean CMYK or YCCK only if Adobe's segment says so; without it their meaning is a guess.
  if (walk.components == 4 && walk.adobe_transform != 0 && walk.adobe_transform != 2) {
    fail(path, ": expected a JPEG of 1 or 3 components, or Adobe CMYK or YCCK, found 4 components of unknown meaning");
  }
  return walk.header;
}

// ---- PNG: signature, chunks with CRC-32, IEND ----

uint32_t crc32(const std::string& bytes, size_t begin, size_t count) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = (c & 1) ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = 0xFFFFFFFFu;
  for (size_t i = begin; i < begin + count; ++i) crc = table[(crc ^ byte_at(bytes, i)) & 0xFF] ^ (crc >> 8);
  return crc ^ 0xFFFFFFFFu;
}

ImageHeader read_png(const std::string& bytes, const std::string& path) {
  ImageHeader header;
  header.format = ImageFormat::kPng;
  for (size_t at = 8;;) {
    if (bytes.size() - at < 12) fail_truncated(path, "a PNG that ends with an IEND chunk", bytes.size());
    const size_t length = be32(bytes, at);
    const std::string name = bytes.substr(at + 4, 4);
    if (at == 8 && (name != "IHDR" || length != 13))
      fail(path, ": expected a PNG that begins with IHDR, found another chunk");
    if (length > bytes.size() - at - 12) fail_truncated(path, text("a PNG chunk of ", length, " bytes"), bytes.size());
    if (crc32(bytes, at + 4, length + 4) != be32(bytes, at + 8 + length)) {
      fail(path, ": expected PNG chunks that match their CRC-32, found a damaged one at byte ", at);
    }
    if (at == 8) {
      header.width = be32(bytes, 16);
      header.height = be32(bytes, 20);
    }
    if (name == "IEND") return header;
    at += length + 12;
  }
}

// ---- BMP ----

ImageHeader read_bmp(const std::string& bytes, const std::string& path) {
  if (bytes.size() < 26) fail_truncated(path, "a BMP header of 26 bytes", bytes.size());
  ImageHeader header;
  header.format = ImageFormat::kBmp;
  const size_t info = le32(bytes, 14);  // size of the info header: 12 in OS/2 files, else 40 and more
  const size_t offset = le32(bytes, 10);
  long long bits = 0;
  if (info == 12) {
    header.width = le16(bytes, 18);
    header.height = le16(bytes, 20);
    bits = le16(bytes, 24);
  } else {
    if (bytes.size() < 54) fail_truncated(path, "a BMP header of 54 bytes", bytes.size());
    header.width = static_cast<int32_t>(le32(bytes, 18));
    header.height = static_cast<int32_t>(le32(bytes, 22));
    if (header.height < 0) header.height = -header.height;  // rows from top to bottom
    bits = le16(bytes, 28);
    const uint32_t compression = le32(bytes, 30);
    if (compression != 0 && compression != 3) {
      fail(path, ": expected an uncompressed BMP, found compression type ", compression);
    }
  }
  if (header.width > 0 && header.width <= kMaxSide && header.height <= kMaxSide) {
    const unsigned long long rows =
        static_cast<unsigned long long>((header.width * bits + 31) / 32 * 4 * header.height);
    if (bytes.size() < offset || bytes.size() - offset < rows) {
      fail_truncated(path, text("a BMP of ", offset + rows, " bytes"), bytes.size());
    }
  }
  return header;
}

std::string first_bytes(const std::string& bytes) {
  static const char digits[] = "0123456789abcdef";
  std::string out = bytes.empty() ? "an empty file" : "a file that begins with bytes";
  for (size_t i = 0; i < bytes.size() && i < 4; ++i) {
    out += {' ', digits[byte_at(bytes, i) >> 4], digits[byte_at(bytes, i) & 15]};
  }
  return out;
}

ImageHeader read_any(const std::string& bytes, const std::string& path) {
  if (bytes.compare(0, 3, "\xFF\xD8\xFF") == 0) return read_jpeg(bytes, path);
  if (bytes.compare(0, 8, "\x89PNG\r\n\x1A\n") == 0) return read_png(bytes, path);
  if (bytes.compare(0, 2, "BM") == 0) return read_bmp(bytes, path);
  if (is_pnm(bytes)) {
    const PnmHeader pnm = read_pnm_header(bytes, path);
    ImageHeader header;
    header.format = ImageFormat::kPnm;
    header.width = pnm.width;
    header.height = pnm.height;
    return header;
  }
  fail(path, ": expected a JPEG, PNG, BMP or PNM image, found ", first_bytes(bytes));
}

}  // namespace

int exif_orientation(const std::string& segment) {
  constexpr size_t kTiff = 6;  // offsets in the file count from here
  if (segment.size() < kTiff + 8 || segment.compare(0, kTiff, std::string("Exif\0\0", kTiff)) != 0) return 1;
  const bool big = segment.compare(kTiff, 2, "MM") == 0;
  if (!big && segment.compare(kTiff, 2, "II") != 0) return 1;
  const auto u16 = [&](size_t at) { return big ? be16(segment, at) : le16(segment, at); };
  const auto u32 = [&](size_t at) { return big ? be32(segment, at) : le32(segment, at); };
  if (u16(kTiff + 2) != 42) return 1;
  const size_t directory = u32(kTiff + 4);
  if (directory > segment.size() - kTiff || segment.size() - kTiff - directory < 2) return 1;
  const size_t first = kTiff + directory + 2;
  const size_t room = (segment.size() - first) / 12;  // whole entries of 12 bytes that are there
  const size_t entries = u16(first - 2);
  for (size_t i = 0; i < entries && i < room; ++i) {
    const size_t entry = first + 12 * i;
    if (u16(entry) != 0x0112) continue;
    const uint32_t value = u16(entry + 8);
    const bool valid = u16(entry + 2) == 3 && u32(entry + 4) == 1 && value >= 1 && value <= 8;  // one SHORT
    return valid ? static_cast<int>(value) : 1;
  }
  return 1;
}

ImageHeader read_image_header(const std::string& bytes, const std::string& path) {
  const ImageHeader header = read_any(bytes, path);
  const long long w = header.width;
  const long long h = header.height;
  if (w < 1 || h < 1) fail(path, ": expected an image of at least 1 x 1 pixels, found ", w, " x ", h);
  if (w > kMaxSide || h > kMaxSide || w * h > kMaxPixels) {
    fail(path, ": expected an image of at most ", kMaxSide, " pixels a side and ", kMaxPixels, " in all, found ", w,
         " x ", h);
  }
  return header;
}

}  // namespace sln::apps
