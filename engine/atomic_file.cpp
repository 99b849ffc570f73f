#include "engine/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "engine/error.h"

namespace sln {

AtomicFile::AtomicFile(const std::string& path) : path_(path), temporary_(concat(path, ".tmp-", ::getpid())) {
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_io("be created");
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(fd_, at, bytes);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io("be written");
    at += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0 && errno != EINVAL)
    fail_io("be synchronised");  // EINVAL: not a file that can be, such as a pipe
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0) fail_io("be closed");
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail_io("be renamed into place");
  temporary_.clear();
}

void AtomicFile::fail_io(const char* action) const {
  fail(ErrorKind::kIo, path_, ": expected a file that can be written, found that it cannot ", action, ": ",
       std::generic_category().message(errno));
}

}  // namespace sln
