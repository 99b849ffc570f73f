// Images under way, captures, stage times and shared weights, on the CPU and on a device that works behind a queue.
#include "engine/pipeline.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

#include "engine/error.h"
#include "engine/layer_table.h"
#include "tests/support/models.h"
#include "tests/support/queued_device.h"

namespace {

using sln::Options;
using sln::Pipeline;
using sln::Result;
using sln_test::QueuedDevice;
using sln_test::QueuedState;

struct Photo {
  Photo(int w, int h, uint32_t seed) : width(w), height(h), pixels(sln::test::test_picture(w, h, seed)) {}
  sln::Image image() const {
    sln::Image image;
    image.pixels = pixels.data();
    image.width = width;
    image.height = height;
    image.row_bytes = ptrdiff_t{3} * width;
    return image;
  }
  int width, height;
  std::vector<uint8_t> pixels;
};

sln::Model small_model(uint32_t seed = 11) {
  return sln::Model(
      sln::Blob::open(sln::test::write_small_model("pipeline_" + std::to_string(seed) + ".safetensors", seed)));
}

Options options_of(bool capture = false) {
  Options options;
  options.threads = 2;
  options.score_threshold = 0;
  options.capture = capture;
  return options;
}

// Everything of a result that a caller can see, as one text.
std::string text_of(const Result& result) {
  std::string text = std::to_string(result.width) + " " + std::to_string(result.height) + " " +
                     std::to_string(result.proposals) + " " + std::to_string(result.dropped_by_nms);
  for (const auto& object : result.objects) {
    text.append(reinterpret_cast<const char*>(object.box), sizeof object.box);
    text.append(reinterpret_cast<const char*>(&object.score), sizeof object.score);
    text += object.amodal_rle + object.visible_rle + object.hidden_rle;
  }
  for (const auto& pair : result.pairs)
    text += " " + std::to_string(pair.a) + " " + std::to_string(pair.b) + " " + std::to_string(pair.order);
  return text;
}

bool same(const std::vector<sln::Tensor>& a, const std::vector<sln::Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (a[i].name != b[i].name || a[i].dims != b[i].dims || a[i].data.size() != b[i].data.size() ||
        std::memcmp(a[i].data.data(), b[i].data.data(), a[i].data.size() * sizeof(float)) != 0)
      return false;
  return true;
}

// What the CPU makes of each photo, and the results that cover many objects.
std::vector<std::string> expected_texts(const sln::Model& model, const std::vector<Photo>& photos) {
  Pipeline cpu(model, options_of());
  std::vector<std::string> texts;
  for (const Photo& photo : photos) {
    Result result;
    cpu.run(photo.image(), result);
    REQUIRE(result.objects.size() > 1);
    texts.push_back(text_of(result));
  }
  return texts;
}

}  // namespace

TEST_CASE("Two images under way come back in order, with the CPU's bytes, whatever becomes of their pixels") {
  const sln::Model model = small_model();
  const std::vector<Photo> photos = {{90, 60, 1}, {40, 64, 2}, {64, 64, 3}, {120, 31, 4}};
  const std::vector<std::string> expected = expected_texts(model, photos);
  for (const char* mode : {"packed", "guard"}) {
    CAPTURE(mode);
    ::setenv("SLN_ARENA", mode, 1);
    auto state = std::make_shared<QueuedState>();
    Pipeline queued(model, options_of(), std::make_shared<QueuedDevice>(state));
    ::unsetenv("SLN_ARENA");
    REQUIRE(queued.flights() == 2);
    Result result;
    for (size_t i = 0; i <= photos.size(); ++i) {
      if (i < photos.size()) {
        Photo photo = photos[i];
        queued.submit(photo.image());
        std::fill(photo.pixels.begin(), photo.pixels.end(), uint8_t{7});
        CHECK(state->pending > 0);
      }
      if (i == 0) continue;
      queued.collect(result);
      CHECK(text_of(result) == expected[i - 1]);
    }
    CHECK(state->waits == static_cast<int>(photos.size()));
    CHECK(state->reads == 0);
  }
}

TEST_CASE("Nothing of a page waits for the device") {
  const sln::Model model = small_model();
  auto state = std::make_shared<QueuedState>();
  Pipeline queued(model, options_of(), std::make_shared<QueuedDevice>(state));
  CHECK(state->enqueued == 0);  // recording runs nothing
  queued.submit(Photo(64, 64, 1).image());
  CHECK(state->waits == 0);
  CHECK(state->reads == 0);
  CHECK(state->enqueued > 20);
  CHECK(state->pending > static_cast<size_t>(state->enqueued));  // the ops, and the moments between them
}

TEST_CASE("Submit beyond the flights, collect with none and run with one are errors that change nothing") {
  const sln::Model model = small_model();
  const Photo photo(64, 48, 5);
  const std::string expected = expected_texts(model, {photo})[0];
  Result result;
  const auto check = [&](Pipeline& pipeline) {
    CHECK_THROWS_AS(pipeline.collect(result), sln::Error);
    for (int i = 0; i < pipeline.flights(); ++i) pipeline.submit(photo.image());
    CHECK_THROWS_WITH(pipeline.submit(photo.image()), Catch::Contains("under way"));
    CHECK_THROWS_WITH(pipeline.run(photo.image(), result), Catch::Contains("collect first"));
    for (int i = 0; i < pipeline.flights(); ++i) {
      result = Result();
      pipeline.collect(result);
      CHECK(text_of(result) == expected);
    }
    CHECK(pipeline.under_way() == 0);
    pipeline.run(photo.image(), result);
    CHECK(text_of(result) == expected);
  };
  Pipeline cpu(model, options_of());
  CHECK(cpu.flights() == 1);
  check(cpu);
  Pipeline queued(model, options_of(), std::make_shared<QueuedDevice>(std::make_shared<QueuedState>()));
  check(queued);
}

TEST_CASE("An image that fails is told by its own collect, and those beside it are whole") {
  const sln::Model model = small_model();
  const std::vector<Photo> photos = {{90, 60, 1}, {40, 64, 2}, {64, 64, 3}};
  const std::vector<std::string> expected = expected_texts(model, photos);
  auto state = std::make_shared<QueuedState>();
  Pipeline queued(model, options_of(), std::make_shared<QueuedDevice>(state));
  queued.submit(photos[0].image());
  const int ops = state->enqueued;
  for (const int at : {0, 1, ops / 2, ops - 1}) {
    CAPTURE(at);
    state->fail_at = state->enqueued + at;
    queued.submit(photos[1].image());
    state->fail_at = -1;
    Result result;
    queued.collect(result);
    CHECK(text_of(result) == expected[0]);
    queued.submit(photos[2].image());
    CHECK_THROWS_WITH(queued.collect(result), "this op was made to fail");
    for (const auto& stage : queued.stages()) CHECK(stage.seconds == 0);
    queued.collect(result);
    CHECK(text_of(result) == expected[2]);
    queued.submit(photos[0].image());
  }
}

TEST_CASE("A device that fails while it is waited for fails that image alone") {
  const sln::Model model = small_model();
  const std::vector<Photo> photos = {{90, 60, 1}, {64, 64, 3}};
  const std::vector<std::string> expected = expected_texts(model, photos);
  auto state = std::make_shared<QueuedState>();
  Pipeline queued(model, options_of(), std::make_shared<QueuedDevice>(state));
  queued.submit(photos[0].image());
  queued.submit(photos[1].image());
  state->fail_at_wait = 0;
  Result result;
  CHECK_THROWS_WITH(queued.collect(result), "the device was made to fail");
  for (const auto& stage : queued.stages()) CHECK((stage.seconds == 0 && stage.macs == 0));
  queued.collect(result);
  CHECK(text_of(result) == expected[1]);
}

TEST_CASE("Captures and stage times belong to the image last collected, and a capture means one flight") {
  const sln::Model model = small_model();
  const Photo first(90, 60, 1), second(64, 64, 2);
  Pipeline cpu(model, options_of(true));
  Pipeline queued(model, options_of(true), std::make_shared<QueuedDevice>(std::make_shared<QueuedState>()));
  REQUIRE(queued.flights() == 1);
  for (const auto& stage : queued.stages()) CHECK(stage.seconds == 0);
  Result result;
  cpu.run(first.image(), result);
  queued.run(first.image(), result);
  REQUIRE(cpu.captured().size() == 12);
  CHECK(same(queued.captured(), cpu.captured()));
  const std::vector<sln::Tensor> kept = queued.captured();
  const std::vector<sln::StageTime> times = queued.stages();
  queued.submit(second.image());
  CHECK(same(queued.captured(), kept));
  CHECK(queued.stages()[1].seconds == times[1].seconds);
  queued.collect(result);
  CHECK_FALSE(same(queued.captured(), kept));
  REQUIRE(times.size() == 9);
  for (const auto& stage : times) CHECK(stage.seconds > 0);
}

TEST_CASE("Stages count their work, those of the RoIs by the number in use") {
  const sln::Model model = small_model();
  Options options = options_of();
  Result result;
  Pipeline all(model, options);
  all.run(Photo(64, 64, 1).image(), result);
  REQUIRE(result.proposals > 1);
  const std::vector<sln::StageTime> full = all.stages();
  int64_t table = 0;
  for (const sln::Layer& layer : sln::layer_table(model.blob().config())) table += layer.macs;
  int64_t sum = 0;
  for (const auto& stage : full) sum += stage.macs;
  CHECK(result.proposals == model.blob().config().max_rois);
  CHECK(sum == table);
  options.score_threshold = 1;
  Pipeline none(model, options);
  none.run(Photo(64, 64, 1).image(), result);
  CHECK(result.proposals == 0);
  for (size_t i = 0; i < full.size(); ++i) {
    const bool per_roi = std::string(full[i].name) == "ilm" || std::string(full[i].name) == "refine";
    CHECK(none.stages()[i].macs == (per_roi ? 0 : full[i].macs));
  }
}

TEST_CASE("Engines of one model share packed weights, per device, and the last one frees them") {
  const sln::Model model = small_model();
  auto state = std::make_shared<QueuedState>();
  const size_t layers = sln::layer_table(model.blob().config()).size();
  {
    std::vector<std::unique_ptr<Pipeline>> engines(4);
    std::vector<std::thread> threads;
    for (auto& engine : engines)
      threads.emplace_back(
          [&] { engine = std::make_unique<Pipeline>(model, options_of(), std::make_shared<QueuedDevice>(state)); });
    for (std::thread& thread : threads) thread.join();
    CHECK(state->packed == static_cast<int>(layers));
    CHECK(state->live == 1 + 4);  // the weights once, and an arena each
    Pipeline cpu(model, options_of());
    CHECK(state->live == 1 + 4);
    engines.erase(engines.begin(), engines.begin() + 3);
    CHECK(state->live == 1 + 1);
    Result result;
    engines[0]->run(Photo(64, 64, 1).image(), result);
    CHECK(result.objects.size() > 1);
  }
  CHECK(state->live == 0);
  Pipeline later(model, options_of(), std::make_shared<QueuedDevice>(state));
  CHECK(state->packed == 2 * static_cast<int>(layers));
}

TEST_CASE("An engine that is destroyed drops what is under way") {
  const sln::Model model = small_model();
  auto state = std::make_shared<QueuedState>();
  {
    Pipeline queued(model, options_of(), std::make_shared<QueuedDevice>(state));
    queued.submit(Photo(64, 64, 1).image());
    queued.submit(Photo(64, 64, 2).image());
  }
  CHECK(state->live == 0);
}
