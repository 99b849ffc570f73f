// Reading whole files, and writing files that are there completely or not at all.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sln::apps {

// The bytes of a regular file. Throws Failure that names the file.
std::string read_file(const std::string& path);

// A file under a temporary name in its own folder. It gets its name by commit(); until then, and where anything fails,
// nothing of it is left.
class PendingFile {
 public:
  // Creates the temporary file, so that an unwritable place is found before any work.
  explicit PendingFile(std::string path);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  void append(std::string_view bytes);
  // Writes out what is buffered, synchronises and closes. Nothing may be appended later.
  void finish();
  // Needs finish(). Replaces what is at path.
  void commit();
  const std::string& path() const { return path_; }
  // Where the file is until commit(); another writer may replace it there.
  const std::string& temporary() const { return temporary_; }

 private:
  void flush();
  [[noreturn]] void fail_writing(int error) const;

  std::string path_;
  std::string temporary_;
  std::string buffer_;
  int descriptor_ = -1;
  bool committed_ = false;
};

void write_file_atomically(const std::string& path, std::string_view bytes);

// All outputs of one run: they appear together at commit(), or none does. Folders that were made for them go again if
// the run fails.
class OutputSet {
 public:
  // Makes the folder (and those above it) where missing.
  explicit OutputSet(std::string folder);
  ~OutputSet();
  OutputSet(const OutputSet&) = delete;
  OutputSet& operator=(const OutputSet&) = delete;

  // A file of this name in the folder. The reference is valid while the set lives.
  PendingFile& add(const std::string& name);
  // A file anywhere else.
  PendingFile& add_path(const std::string& path);
  // Finishes every file, then names them, the one added first last.
  void commit();

 private:
  std::string folder_;
  std::vector<std::string> created_folders_;  // outermost first
  std::vector<std::unique_ptr<PendingFile>> files_;
  bool committed_ = false;
};

}  // namespace sln::apps
