#include "apps/image_loader.h"

#include <chrono>
#include <exception>
#include <new>
#include <utility>

#include "apps/failure.h"

namespace sln::apps {
namespace {

// Annotations speak of the picture as stored; one of another size is another picture.
void check_size(const Image& image, const InputImage& input) {
  const bool width_differs = input.annotated_width > 0 && input.annotated_width != image.width;
  const bool height_differs = input.annotated_height > 0 && input.annotated_height != image.height;
  if (width_differs || height_differs) {
    fail(input.path, ": expected ", input.annotated_width, " x ", input.annotated_height,
         " pixels as annotated, found ", image.width, " x ", image.height);
  }
}

LoadedImage load(const InputImage& input, bool apply_orientation) {
  const auto begin = std::chrono::steady_clock::now();
  LoadedImage loaded;
  try {
    loaded.image = read_image(input.path, apply_orientation);
    check_size(loaded.image, input);
  } catch (const std::bad_alloc&) {
    loaded.problem = input.path + ": expected memory for the decoded image, found none";
  } catch (const std::exception& error) {
    loaded.problem = error.what();
  }
  loaded.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return loaded;
}

}  // namespace

ImageLoader::ImageLoader(const std::vector<InputImage>& inputs, bool apply_orientation)
    : inputs_(inputs), apply_orientation_(apply_orientation), thread_([this] { work(); }) {}

ImageLoader::~ImageLoader() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void ImageLoader::work() {
  for (const InputImage& input : inputs_) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || ready_.size() < kLookAhead; });
      if (stop_) return;
    }
    LoadedImage loaded = load(input, apply_orientation_);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ready_.push_back(std::move(loaded));
    }
    changed_.notify_all();
  }
}

LoadedImage ImageLoader::next() {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty(); });
  LoadedImage loaded = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return loaded;
}

}  // namespace sln::apps
