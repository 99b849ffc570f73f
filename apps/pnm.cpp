#include "apps/pnm.h"

#include "apps/failure.h"

namespace sln::apps {
namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// Skips white space and comments, which run from # to the end of the line.
size_t skip_blanks(const std::string& bytes, size_t at) {
  while (at < bytes.size() && (is_space(bytes[at]) || bytes[at] == '#')) {
    if (bytes[at] == '#') {
      while (at < bytes.size() && bytes[at] != '\n') ++at;
    } else {
      ++at;
    }
  }
  return at;
}

// Reads a number of at most nine digits behind blanks and moves on.
long long read_number(const std::string& bytes, size_t* at, const char* what, const std::string& path) {
  *at = skip_blanks(bytes, *at);
  const size_t begin = *at;
  long long value = 0;
  while (*at < bytes.size() && is_digit(bytes[*at]) && *at - begin < 9) value = 10 * value + (bytes[(*at)++] - '0');
  if (*at == begin || (*at < bytes.size() && is_digit(bytes[*at]))) {
    fail(path, ": expected the PNM ", what, " at byte ", begin, ", found ",
         begin == bytes.size() ? "the end of the file (truncated?)" : "something else");
  }
  return value;
}

class Samples {
 public:
  Samples(const std::string& bytes, const PnmHeader& header, const std::string& path)
      : bytes_(bytes), header_(header), path_(path), at_(header.data) {}

  // The next sample as 8 bits.
  uint8_t next() {
    const long long value = raw();
    const long long top = header_.max_value;
    if (value > top) fail(path_, ": expected PNM samples of at most ", top, ", found ", value);
    if (top == 255) return static_cast<uint8_t>(value);
    if (top == 65535) return static_cast<uint8_t>(value >> 8);
    return static_cast<uint8_t>((value * 255 + top / 2) / top);
  }

  // The next bit of a bitmap, as black (0) or white (255).
  uint8_t next_bit(long long column) {
    if (header_.kind == 1) {  // single digits, which may stand without blanks between them
      at_ = skip_blanks(bytes_, at_);
      if (at_ == bytes_.size()) fail_truncated();
      const char digit = bytes_[at_++];
      if (digit != '0' && digit != '1') fail(path_, ": expected PNM bits 0 and 1, found another character");
      return digit == '1' ? 0 : 255;
    }
    if (column % 8 == 0 && at_++ == bytes_.size()) fail_truncated();
    return (bytes_[at_ - 1] >> (7 - column % 8) & 1) != 0 ? 0 : 255;
  }

 private:
  long long raw() {
    if (header_.kind <= 3) return read_number(bytes_, &at_, "sample", path_);
    const size_t count = header_.max_value > 255 ? 2 : 1;
    if (bytes_.size() - at_ < count) fail_truncated();
    long long value = static_cast<uint8_t>(bytes_[at_++]);
    if (count == 2) value = value << 8 | static_cast<uint8_t>(bytes_[at_++]);
    return value;
  }
  [[noreturn]] void fail_truncated() const {
    fail(path_, ": expected PNM samples for ", header_.width, " x ", header_.height,
         " pixels, found the end of the file after ", bytes_.size(), " bytes (truncated?)");
  }

  const std::string& bytes_;
  const PnmHeader& header_;
  const std::string& path_;
  size_t at_;
};

}  // namespace

bool is_pnm(const std::string& bytes) {
  return bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
         (is_space(bytes[2]) || bytes[2] == '#');
}

PnmHeader read_pnm_header(const std::string& bytes, const std::string& path) {
  PnmHeader header;
  header.kind = bytes[1] - '0';
  size_t at = 2;
  header.width = read_number(bytes, &at, "width", path);
  header.height = read_number(bytes, &at, "height", path);
  if (header.kind != 1 && header.kind != 4) {
    header.max_value = read_number(bytes, &at, "maximum", path);
    if (header.max_value < 1 || header.max_value > 65535) {
      fail(path, ": expected a PNM maximum from 1 to 65535, found ", header.max_value);
    }
  }
  if (at < bytes.size()) ++at;  // one blank ends the header
  header.data = at;
  return header;
}

std::vector<uint8_t> decode_pnm(const std::string& bytes, const PnmHeader& header, const std::string& path) {
  // A sample takes at least a bit in the file: a header that promises more is refused before memory is taken for it.
  const bool bitmap = header.kind == 1 || header.kind == 4;
  const bool colour = header.kind == 3 || header.kind == 6;
  if (header.width * header.height / 8 > static_cast<long long>(bytes.size())) {
    fail(path, ": expected PNM samples for ", header.width, " x ", header.height, " pixels, found ", bytes.size(),
         " bytes (truncated?)");
  }
  std::vector<uint8_t> rgb(static_cast<size_t>(3 * header.width * header.height));
  Samples samples(bytes, header, path);
  size_t out = 0;
  for (long long y = 0; y < header.height; ++y) {
    for (long long x = 0; x < header.width; ++x, out += 3) {
      rgb[out] = bitmap ? samples.next_bit(x) : samples.next();
      rgb[out + 1] = colour ? samples.next() : rgb[out];
      rgb[out + 2] = colour ? samples.next() : rgb[out];
    }
  }
  return rgb;
}

}  // namespace sln::apps
