#include "engine/stages/decode.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <utility>
#include <vector>

#include "engine/stages/depth_order.h"
#include "engine/stages/image_masks.h"
#include "engine/stages/interleave.h"
#include "engine/stages/suppression.h"
#include "kernels/math/box.h"

namespace sln {
namespace {

// A proposal on the canvas grid.
struct Candidate {
  int proposal = 0;
  float mean_confidence = 0;
  float score = 0;
  MaskBits mask;
};

struct ThreadScratch {
  std::vector<float> fill;
  ImageMaskScratch image;
};

}  // namespace

struct DecodeWorkspace::State {
  std::vector<Candidate> candidates;      // by proposal
  std::vector<uint64_t> planes;           // of all masks
  std::vector<float> not_object;          // of all masks
  std::vector<PasteRow> rows;             // of all masks
  std::vector<const Candidate*> ordered;  // not empty, by score; then those that were kept
  std::vector<const MaskBits*> masks;     // of `ordered`
  std::vector<uint8_t> keep;
  std::vector<uint64_t> claimed;  // canvas pixels that the visible parts of kept objects have
  std::vector<ThreadScratch> threads;
  std::vector<DepthOrderScratch> depth_threads;
  std::vector<std::exception_ptr> errors;
  std::vector<ResultObject> spare;  // objects that a result had no use for, kept for their memory
};

DecodeWorkspace::DecodeWorkspace() : state_(std::make_unique<State>()) {}
DecodeWorkspace::~DecodeWorkspace() = default;

namespace {

using State = DecodeWorkspace::State;

template <typename T>
void grow(std::vector<T>& scratch, size_t size) {
  if (scratch.size() < size) scratch.resize(size);
}

PasteObject canvas_object(const DecodeInput& input, int proposal) {
  PasteObject object;
  object.channels = input.levels + 1;
  object.side = input.roi_side;
  object.layers = input.layers + static_cast<size_t>(proposal) * static_cast<size_t>(object.channels) * object.side *
                                     static_cast<size_t>(object.side);
  std::copy_n(input.boxes + static_cast<size_t>(proposal) * 4, 4, object.box);
  object.grid_w = input.scaled_w;
  object.grid_h = input.scaled_h;
  object.threshold = input.options.threshold();
  return object;
}

// The same object on the image's grid: x * W / w, each operation rounded to fp32.
PasteObject image_object(const DecodeInput& input, int proposal) {
  PasteObject object = canvas_object(input, proposal);
  for (int i = 0; i < 4; ++i) {
    const int image = i % 2 == 0 ? input.image_w : input.image_h;
    const int scaled = i % 2 == 0 ? input.scaled_w : input.scaled_h;
    object.box[i] = object.box[i] * static_cast<float>(image) / static_cast<float>(scaled);
  }
  object.grid_w = input.image_w;
  object.grid_h = input.image_h;
  return object;
}

// Gives every candidate its part of the shared memory.
void lay_out(const DecodeInput& input, State& state) {
  grow(state.candidates, static_cast<size_t>(input.count));
  size_t words = 0;
  size_t floats = 0;
  size_t rows = 0;
  const auto visit = [&](bool assign) {
    words = floats = rows = 0;
    for (int i = 0; i < input.count; ++i) {
      MaskBits& mask = state.candidates[static_cast<size_t>(i)].mask;
      if (assign) {
        mask.planes = state.planes.data() + words;
        mask.not_object = state.not_object.data() + floats;
        mask.rows = state.rows.data() + rows;
      } else {
        cpu::mask_bits_shape(canvas_object(input, i), mask);
      }
      words += cpu::mask_bits_planes_words(mask);
      floats += cpu::mask_bits_not_object_floats(mask);
      rows += static_cast<size_t>(mask.window.y_end - mask.window.y_begin);
    }
  };
  visit(false);
  grow(state.planes, words);
  grow(state.not_object, floats);
  grow(state.rows, rows);
  visit(true);
}

// Mean of C over the RoI cells with C > c; 0 if there is none.
float mean_confidence(const float* confidence, int cells, float threshold) {
  double sum = 0;
  int inside = 0;
  for (int i = 0; i < cells; ++i) {
    if (!(confidence[i] > threshold)) continue;
    sum += static_cast<double>(confidence[i]);
    ++inside;
  }
  return inside == 0 ? 0.0f : static_cast<float>(sum / inside);
}

void fill_candidate(const DecodeInput& input, int proposal, std::vector<float>& scratch, Candidate& candidate) {
  const int cells = input.roi_side * input.roi_side;
  const float objectness = input.objectness[proposal];
  candidate.proposal = proposal;
  candidate.mean_confidence = mean_confidence(
      input.confidence + static_cast<size_t>(proposal) * static_cast<size_t>(cells), cells, input.options.threshold());
  candidate.score = input.options.score_mode == ScoreMode::kMask ? objectness * candidate.mean_confidence : objectness;
  candidate.mask.area = 0;
  if (candidate.mask.word_begin == candidate.mask.word_end) return;
  const PasteObject object = canvas_object(input, proposal);
  grow(scratch, cpu::mask_bits_workspace_floats(object, candidate.mask));
  cpu::mask_bits_fill(object, candidate.mask, scratch.data());
}

void collect_masks(State& state) {
  state.masks.clear();
  for (const Candidate* candidate : state.ordered) state.masks.push_back(&candidate->mask);
}

// Sets `ordered` to the candidates with a mask on the canvas, by score. Returns how many have none.
int order_by_score(int count, State& state) {
  state.ordered.clear();
  for (int i = 0; i < count; ++i) {
    const Candidate& candidate = state.candidates[static_cast<size_t>(i)];
    if (candidate.mask.area > 0) state.ordered.push_back(&candidate);
  }
  // A NaN score goes last: the comparison has to order whatever comes.
  const auto key = [](const Candidate* c) {
    return std::isnan(c->score) ? -std::numeric_limits<float>::infinity() : c->score;
  };
  std::sort(state.ordered.begin(), state.ordered.end(), [&](const Candidate* a, const Candidate* b) {
    return key(a) != key(b) ? key(a) > key(b) : a->proposal < b->proposal;
  });
  return count - static_cast<int>(state.ordered.size());
}

// Drops from `ordered` those whose keep is 0 and returns how many.
int drop_unkept(State& state) {
  size_t kept = 0;
  for (size_t i = 0; i < state.ordered.size(); ++i) {
    if (state.keep[i] != 0) state.ordered[kept++] = state.ordered[i];
  }
  const int dropped = static_cast<int>(state.ordered.size() - kept);
  state.ordered.resize(kept);
  return dropped;
}

// Changes the number of objects without giving their memory away.
void resize_objects(std::vector<ResultObject>& objects, size_t size, std::vector<ResultObject>& spare) {
  while (objects.size() > size) {
    spare.push_back(std::move(objects.back()));
    objects.pop_back();
  }
  while (objects.size() < size) {
    if (spare.empty()) {
      objects.emplace_back();
    } else {
      objects.push_back(std::move(spare.back()));
      spare.pop_back();
    }
  }
}

void fill_object(const DecodeInput& input, const Candidate& candidate, const PasteObject& object,
                 ResultObject& result) {
  for (int i = 0; i < 4; ++i) {
    result.box[i] = clip_coordinate(object.box[i], static_cast<float>(i % 2 == 0 ? input.image_w : input.image_h));
  }
  result.score = candidate.score;
  result.objectness = input.objectness[candidate.proposal];
  result.mean_confidence = candidate.mean_confidence;
  result.proposal = candidate.proposal;
  result.anchor = input.anchors[candidate.proposal];
}

// Makes the result's objects out of `ordered` and drops from both those without a pixel on the image grid.
void make_objects(const DecodeInput& input, State& state, cpu::ThreadPool& pool, Result& result) {
  resize_objects(result.objects, state.ordered.size(), state.spare);
  state.keep.assign(state.ordered.size(), 0);
  for_each_interleaved(pool, static_cast<int64_t>(state.ordered.size()), state.errors, [&](int64_t i, size_t thread) {
    const size_t index = static_cast<size_t>(i);
    const PasteObject object = image_object(input, state.ordered[index]->proposal);
    fill_object(input, *state.ordered[index], object, result.objects[index]);
    ImageMaskScratch& scratch = state.threads[thread].image;
    state.keep[index] = image_masks(object, input.options.level_masks, scratch, result.objects[index]) ? 1 : 0;
  });
  size_t kept = 0;
  for (size_t i = 0; i < state.ordered.size(); ++i) {
    if (state.keep[i] == 0) continue;
    if (kept != i) std::swap(result.objects[kept], result.objects[i]);
    ++kept;
  }
  resize_objects(result.objects, kept, state.spare);
  result.dropped_empty += drop_unkept(state);
}

}  // namespace

void decode(const DecodeInput& input, DecodeWorkspace& workspace, cpu::ThreadPool& pool, Result& result) {
  State& state = workspace.state();
  grow(state.threads, static_cast<size_t>(pool.threads()));
  grow(state.depth_threads, static_cast<size_t>(pool.threads()));
  result.width = input.image_w;
  result.height = input.image_h;
  result.levels = input.levels;
  result.proposals = input.count;

  lay_out(input, state);
  for_each_interleaved(pool, input.count, state.errors, [&](int64_t i, size_t thread) {
    fill_candidate(input, static_cast<int>(i), state.threads[thread].fill, state.candidates[static_cast<size_t>(i)]);
  });
  result.dropped_empty = order_by_score(input.count, state);
  collect_masks(state);
  mask_nms(state.masks, input.options.mask_nms, pool, state.keep);
  result.dropped_by_nms = drop_unkept(state);
  collect_masks(state);
  visible_overlap(state.masks, input.options.visible_overlap, input.scaled_w, input.scaled_h, state.claimed,
                  state.keep);
  result.dropped_by_nms += drop_unkept(state);
  make_objects(input, state, pool, result);
  collect_masks(state);
  depth_order(state.masks, input.options.threshold(), pool, state.depth_threads, state.errors, result.pairs);
}

}  // namespace sln
