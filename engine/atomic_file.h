// A file that appears under its name whole or not at all.
#pragma once

#include <cstddef>
#include <string>

namespace sln {

// Writes to "<path>.tmp-<pid>" and renames it on commit(); removed by the destructor otherwise.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);  // throws Error(kIo) that names path and reason
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);  // throws Error(kIo)
  void commit();                               // synchronises and renames; throws Error(kIo)

 private:
  [[noreturn]] void fail_io(const char* action) const;
  std::string path_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace sln
