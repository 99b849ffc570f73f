#include "apps/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "apps/failure.h"

namespace sln::apps {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

std::string folder_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

const char* kind_of(const struct stat& status) {
  if (S_ISDIR(status.st_mode)) return "a folder";
  if (S_ISREG(status.st_mode)) return "a regular file";
  return "a special file";
}

// The first part of the path that is there and is not a folder, with what it is; "" if all of them are folders.
std::string obstacle(const std::string& path) {
  for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    struct stat status;
    if (stat(part.c_str(), &status) == 0 && !S_ISDIR(status.st_mode)) return text(part, " is ", kind_of(status));
  }
  return "";
}

std::string reason(const std::string& path, int error) {
  const std::string blocked = error == ENOTDIR ? obstacle(path) : "";
  return blocked.empty() ? std::strerror(error) : blocked;
}

// Makes path and the folders above it; appends those that were not there before to `created`.
void make_folders(const std::string& path, std::vector<std::string>* created) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0777) == 0) {
      created->push_back(part);
    } else {
      const int error = errno;
      struct stat status;
      const bool there = stat(part.c_str(), &status) == 0;
      if (there && !S_ISDIR(status.st_mode)) {
        fail(path, ": expected a folder to write to, found that ", part, " is ", kind_of(status));
      }
      if (!there) fail(path, ": expected a folder to write to, found: ", reason(part, error), " at ", part);
    }
    if (end == std::string::npos) return;
  }
}

}  // namespace

std::string read_file(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail(path, ": expected a readable file, found: ", reason(path, errno));
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    fail(path, ": expected a regular file, found ", kind_of(status));
  }
  std::string bytes(static_cast<size_t>(status.st_size), '\0');
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = read(descriptor, &bytes[done], bytes.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      const int error = errno;
      close(descriptor);
      fail(path, ": expected ", bytes.size(), " bytes, found ", done, got < 0 ? ": " : "",
           got < 0 ? std::strerror(error) : "");
    }
    done += static_cast<size_t>(got);
  }
  close(descriptor);
  return bytes;
}

PendingFile::PendingFile(std::string path) : path_(std::move(path)) {
  static std::atomic<unsigned> counter{0};
  struct stat status;
  if (stat(path_.c_str(), &status) != 0) {
    if (errno != ENOENT) fail(path_, ": expected a place to write to, found: ", reason(path_, errno));
  } else if (!S_ISREG(status.st_mode)) {
    fail(path_, ": expected a file to write, found ", kind_of(status));
  }
  do {  // a name may be taken by what a killed process of the same number left
    temporary_ = text(folder_of(path_), "/.sln-", getpid(), "-", counter++, ".partial");
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) fail(path_, ": expected a place to write to, found: ", reason(path_, errno));
}

PendingFile::~PendingFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!committed_) unlink(temporary_.c_str());
}

void PendingFile::fail_writing(int error) const {
  fail(path_, ": expected to write the whole file, found: ", std::strerror(error));
}

void PendingFile::append(std::string_view bytes) {
  buffer_.append(bytes);
  if (buffer_.size() >= kBufferBytes) flush();
}

void PendingFile::flush() {
  size_t done = 0;
  while (done < buffer_.size()) {
    const ssize_t wrote = write(descriptor_, buffer_.data() + done, buffer_.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail_writing(errno);
    done += static_cast<size_t>(wrote);
  }
  buffer_.clear();
}

void PendingFile::finish() {
  if (descriptor_ < 0) return;
  flush();
  buffer_.shrink_to_fit();
  // Some file systems cannot synchronise; that is not a failed write.
  if (fsync(descriptor_) != 0 && errno != EINVAL && errno != EROFS) fail_writing(errno);
  const int descriptor = std::exchange(descriptor_, -1);
  if (close(descriptor) != 0) fail_writing(errno);
}

void PendingFile::commit() {
  finish();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) fail_writing(errno);
  committed_ = true;
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  PendingFile file(path);
  file.append(bytes);
  file.commit();
}

OutputSet::OutputSet(std::string folder) : folder_(std::move(folder)) {
  while (folder_.size() > 1 && folder_.back() == '/') folder_.pop_back();
  if (folder_.empty()) fail("--output: expected a folder, found an empty name");
  try {
    make_folders(folder_, &created_folders_);
  } catch (...) {
    for (auto it = created_folders_.rbegin(); it != created_folders_.rend(); ++it) rmdir(it->c_str());
    throw;
  }
}

OutputSet::~OutputSet() {
  files_.clear();
  if (committed_) return;
  for (auto it = created_folders_.rbegin(); it != created_folders_.rend(); ++it) rmdir(it->c_str());
}

PendingFile& OutputSet::add(const std::string& name) {
  return add_path(folder_ + "/" + name);
}

PendingFile& OutputSet::add_path(const std::string& path) {
  files_.push_back(std::make_unique<PendingFile>(path));
  return *files_.back();
}

void OutputSet::commit() {
  for (auto& file : files_) file->finish();
  size_t left = files_.size();
  try {
    for (; left > 0; --left) files_[left - 1]->commit();
  } catch (...) {
    for (size_t i = left; i < files_.size(); ++i) unlink(files_[i]->path().c_str());
    throw;
  }
  committed_ = true;
}

}  // namespace sln::apps
