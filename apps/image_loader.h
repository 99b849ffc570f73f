// Reads and decodes images in a thread of its own, so that the next one is ready when the engine is.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "apps/image_io.h"
#include "apps/inputs.h"

namespace sln::apps {

struct LoadedImage {
  Image image;
  std::string problem;  // why it could not be read, "" if it could
  double seconds = 0;   // for reading and decoding
};

class ImageLoader {
 public:
  // `inputs` must outlive the loader.
  ImageLoader(const std::vector<InputImage>& inputs, bool apply_orientation);
  ~ImageLoader();
  ImageLoader(const ImageLoader&) = delete;
  ImageLoader& operator=(const ImageLoader&) = delete;

  // The next image, in the order of the inputs. Must be called at most inputs.size() times.
  LoadedImage next();

 private:
  void work();

  // A photo takes up to 800 MB decoded, so no more than this many wait.
  static constexpr size_t kLookAhead = 1;
  const std::vector<InputImage>& inputs_;
  const bool apply_orientation_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<LoadedImage> ready_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace sln::apps
