// The one exception type of engine, importer and evaluation. The C API turns it into a status and a text (sln.cpp).
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace sln {

// Kinds of failure, one to one with sln_status.
enum class ErrorKind {
  kInvalidArgument,  // the caller's fault: null pointers, sizes, unknown options
  kIo,               // a file cannot be read or written
  kFormat,           // a file is not what it should be
  kUnsupported,      // valid, but not something this build or machine can do
  kOutOfMemory,
  kInternal,  // a broken promise inside of the library
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

// Concatenates its arguments as text, in the classic locale, floats with enough digits to be read back.
template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out.precision(9);
  out.exceptions(std::ios::badbit);  // out of memory is told, not swallowed with half of the text
  (void)(out << ... << parts);
  return out.str();
}

template <typename... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  throw Error(kind, concat(parts...));
}

}  // namespace sln
