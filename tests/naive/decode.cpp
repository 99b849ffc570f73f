#include "tests/naive/decode.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <set>

namespace sln::naive {
namespace {

float mix(float a, float b, float t, bool fused) {
  if (fused) return std::fmaf(t, b - a, a);
  const float product = t * (b - a);
  return product + a;
}

// The place of pixel `pixel` on an axis of `side` cells, clamped.
float place(int pixel, float begin, float end, int side) {
  const float u = (static_cast<float>(pixel) + 0.5f - begin) / (end - begin) * static_cast<float>(side) - 0.5f;
  return std::min(std::max(u, 0.0f), static_cast<float>(side - 1));
}

float read_plane(const float* plane, int side, float u, float v, bool fused) {
  const int x = static_cast<int>(std::floor(u));
  const int y = static_cast<int>(std::floor(v));
  const int right = std::min(x + 1, side - 1);
  const int below = std::min(y + 1, side - 1);
  const float t = u - static_cast<float>(x);
  const float upper = mix(plane[y * side + x], plane[y * side + right], t, fused);
  const float lower = mix(plane[below * side + x], plane[below * side + right], t, fused);
  return mix(upper, lower, v - static_cast<float>(y), fused);
}

bool inside(int pixel, float begin, float end) {
  const double centre = pixel + 0.5;
  return static_cast<double>(begin) <= centre && centre < static_cast<double>(end);
}

struct Object {
  int proposal = 0;
  float mean = 0, score = 0;
  float image_box[4] = {0, 0, 0, 0};
  PastedObject canvas;
};

bool empty(const PastedObject& object) {
  return std::all_of(object.level.begin(), object.level.end(), [](int level) { return level < 0; });
}

std::set<int> amodal_set(const PastedObject& object) {
  std::set<int> pixels;
  for (size_t i = 0; i < object.level.size(); ++i) {
    if (object.level[i] >= 0) pixels.insert(pixels.end(), static_cast<int>(i));
  }
  return pixels;
}

std::set<int> visible_set(const PastedObject& object) {
  std::set<int> pixels;
  for (size_t i = 0; i < object.level.size(); ++i) {
    if (object.level[i] == 0) pixels.insert(pixels.end(), static_cast<int>(i));
  }
  return pixels;
}

std::set<int> intersection(const std::set<int>& a, const std::set<int>& b) {
  std::set<int> both;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(both, both.end()));
  return both;
}

Object read_object(const DecodeInput& in, int i, bool fused) {
  const int cells = in.roi_side * in.roi_side;
  Object object;
  object.proposal = i;
  double sum = 0;
  int count = 0;
  for (int k = 0; k < cells; ++k) {
    const float c = in.confidence[i * cells + k];
    if (c > in.options.threshold()) {
      sum += static_cast<double>(c);
      ++count;
    }
  }
  object.mean = count > 0 ? static_cast<float>(sum / count) : 0.0f;
  object.score = in.options.score_mode == ScoreMode::kObjectness ? in.objectness[i] : in.objectness[i] * object.mean;
  const float* box = in.boxes + i * 4;
  object.canvas = paste(in.layers + i * (in.levels + 1) * cells, in.levels + 1, in.roi_side, box, in.scaled_w,
                        in.scaled_h, in.options.threshold(), fused);
  const float image_w = static_cast<float>(in.image_w), image_h = static_cast<float>(in.image_h);
  const float scaled_w = static_cast<float>(in.scaled_w), scaled_h = static_cast<float>(in.scaled_h);
  object.image_box[0] = box[0] * image_w / scaled_w;
  object.image_box[1] = box[1] * image_h / scaled_h;
  object.image_box[2] = box[2] * image_w / scaled_w;
  object.image_box[3] = box[3] * image_h / scaled_h;
  return object;
}

ResultObject describe(const DecodeInput& in, const Object& object, bool fused) {
  ResultObject out;
  for (int i = 0; i < 4; ++i) {
    const float limit = static_cast<float>(i == 0 || i == 2 ? in.image_w : in.image_h);
    out.box[i] = std::min(std::max(object.image_box[i], 0.0f), limit);
  }
  out.score = object.score;
  out.objectness = in.objectness[object.proposal];
  out.mean_confidence = object.mean;
  out.proposal = object.proposal;
  out.anchor = in.anchors[object.proposal];
  const int cells = in.roi_side * in.roi_side;
  const PastedObject image = paste(in.layers + object.proposal * (in.levels + 1) * cells, in.levels + 1, in.roi_side,
                                   object.image_box, in.image_w, in.image_h, in.options.threshold(), fused);
  out.level_counts.assign(static_cast<size_t>(in.levels), 0);
  std::vector<uint8_t> amodal(image.level.size()), visible(image.level.size()), hidden(image.level.size());
  for (size_t i = 0; i < image.level.size(); ++i) {
    amodal[i] = image.level[i] >= 0;
    visible[i] = image.level[i] == 0;
    hidden[i] = image.level[i] > 0;
    out.amodal_area += amodal[i];
    out.visible_area += visible[i];
    if (amodal[i] != 0) ++out.level_counts[static_cast<size_t>(image.level[i])];
  }
  out.amodal = runs_of_mask(amodal, in.image_w, in.image_h);
  out.visible = runs_of_mask(visible, in.image_w, in.image_h);
  out.hidden = runs_of_mask(hidden, in.image_w, in.image_h);
  out.amodal_rle = text_of_runs(out.amodal);
  out.visible_rle = text_of_runs(out.visible);
  out.hidden_rle = text_of_runs(out.hidden);
  for (int level = 0; in.options.level_masks && level < in.levels; ++level) {
    std::vector<uint8_t> at_level(image.level.size());
    for (size_t i = 0; i < at_level.size(); ++i) at_level[i] = image.level[i] == level;
    out.levels.push_back(runs_of_mask(at_level, in.image_w, in.image_h));
    out.level_rles.push_back(text_of_runs(out.levels.back()));
  }
  return out;
}

ResultPair order(const PastedObject& a, const PastedObject& b, float threshold) {
  ResultPair pair;
  std::vector<int> r(a.level.size(), 0);
  for (size_t i = 0; i < r.size(); ++i) {
    const float product = a.confidence[i] * b.confidence[i];
    if (a.window[i] == 0 || b.window[i] == 0 || !(product > threshold * threshold)) continue;
    ++pair.overlap;
    r[i] = std::max(b.level[i], 0) - std::max(a.level[i], 0);
  }
  const Regions regions = flood_fill(r, a.width, a.height);
  pair.regions = regions.count;
  pair.largest_region = regions.largest;
  pair.order = regions.sign;
  return pair;
}

}  // namespace

PastedObject paste(const float* layers, int channels, int side, const float* box, int width, int height,
                   float threshold, bool fused) {
  PastedObject out;
  out.width = width;
  out.height = height;
  const size_t pixels = static_cast<size_t>(width) * static_cast<size_t>(height);
  out.confidence.assign(pixels, 0.0f);
  out.window.assign(pixels, 0);
  out.level.assign(pixels, -1);
  for (int y = 0; y < height; ++y) {
    if (!inside(y, box[1], box[3])) continue;
    for (int x = 0; x < width; ++x) {
      if (!inside(x, box[0], box[2])) continue;
      const float u = place(x, box[0], box[2], side);
      const float v = place(y, box[1], box[3], side);
      const size_t at = static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x);
      const float background = read_plane(layers, side, u, v, fused);
      out.window[at] = 1;
      out.confidence[at] = std::min(std::max(1.0f - background, 0.0f), 1.0f - 1.0f / 1024);
      if (!(out.confidence[at] > threshold)) continue;
      float best = -1;
      for (int k = 1; k < channels; ++k) {
        const float value = read_plane(layers + k * side * side, side, u, v, fused);
        if (value > best) {
          best = value;
          out.level[at] = k - 1;
        }
      }
    }
  }
  return out;
}

Regions flood_fill(const std::vector<int>& values, int width, int height) {
  Regions regions;
  std::vector<uint8_t> seen(values.size(), 0);
  for (int start = 0; start < width * height; ++start) {
    if (values[static_cast<size_t>(start)] == 0 || seen[static_cast<size_t>(start)] != 0) continue;
    const int sign = values[static_cast<size_t>(start)] > 0 ? 1 : -1;
    std::deque<int> open = {start};
    seen[static_cast<size_t>(start)] = 1;
    int64_t size = 0;
    while (!open.empty()) {
      const int at = open.front();
      open.pop_front();
      ++size;
      const int x = at % width, y = at / width;
      const int neighbours[4][2] = {{x - 1, y}, {x + 1, y}, {x, y - 1}, {x, y + 1}};
      for (const auto& n : neighbours) {
        if (n[0] < 0 || n[0] >= width || n[1] < 0 || n[1] >= height) continue;
        const size_t next = static_cast<size_t>(n[1]) * static_cast<size_t>(width) + static_cast<size_t>(n[0]);
        if (seen[next] != 0 || values[next] * sign <= 0) continue;
        seen[next] = 1;
        open.push_back(static_cast<int>(next));
      }
    }
    ++regions.count;
    if (size > regions.largest) {
      regions.largest = size;
      regions.sign = sign;
    }
  }
  return regions;
}

Runs runs_of_mask(const std::vector<uint8_t>& mask, int width, int height) {
  Runs runs;
  uint8_t current = 0;
  uint32_t length = 0;
  for (int x = 0; x < width; ++x) {
    for (int y = 0; y < height; ++y) {
      const uint8_t pixel = mask[static_cast<size_t>(y) * static_cast<size_t>(width) + static_cast<size_t>(x)];
      if (pixel != current) {
        runs.push_back(length);
        length = 0;
        current = pixel;
      }
      ++length;
    }
  }
  runs.push_back(length);
  return runs;
}

std::vector<uint8_t> mask_of_runs(const Runs& runs, int width, int height) {
  std::vector<uint8_t> columns;
  for (size_t i = 0; i < runs.size(); ++i) columns.insert(columns.end(), runs[i], static_cast<uint8_t>(i % 2));
  std::vector<uint8_t> mask(static_cast<size_t>(width) * static_cast<size_t>(height));
  for (size_t i = 0; i < columns.size() && i < mask.size(); ++i) {
    const size_t x = i / static_cast<size_t>(height), y = i % static_cast<size_t>(height);
    mask[y * static_cast<size_t>(width) + x] = columns[i];
  }
  return mask;
}

std::string text_of_runs(const Runs& runs) {
  std::string text;
  for (size_t i = 0; i < runs.size(); ++i) {
    int64_t left = i > 2 ? int64_t{runs[i]} - int64_t{runs[i - 2]} : int64_t{runs[i]};
    // Five bits hold -16..15; until the rest fits, its lowest five go out with the continuation bit.
    while (left < -16 || left > 15) {
      const int64_t low = ((left % 32) + 32) % 32;
      text += static_cast<char>(48 + 32 + low);
      left = (left - low) / 32;
    }
    text += static_cast<char>(48 + (left < 0 ? left + 32 : left));
  }
  return text;
}

Runs runs_of_text(const std::string& text) {
  Runs runs;
  int64_t value = 0;
  int64_t weight = 1;
  for (const char c : text) {
    const int group = c - 48;
    value += weight * (group % 32);
    weight *= 32;
    if (group >= 32) continue;
    if (group >= 16) value -= weight;
    if (runs.size() > 2) value += runs[runs.size() - 2];
    runs.push_back(static_cast<uint32_t>(value));
    value = 0;
    weight = 1;
  }
  return runs;
}

Result decode(const DecodeInput& in, bool fused) {
  Result result;
  result.width = in.image_w;
  result.height = in.image_h;
  result.levels = in.levels;
  result.proposals = in.count;
  std::vector<Object> objects;
  for (int i = 0; i < in.count; ++i) {
    Object object = read_object(in, i, fused);
    if (empty(object.canvas)) {
      ++result.dropped_empty;
    } else {
      objects.push_back(std::move(object));
    }
  }
  std::stable_sort(objects.begin(), objects.end(), [](const Object& a, const Object& b) { return a.score > b.score; });
  std::vector<Object> kept;
  std::vector<std::set<int>> sets;
  for (Object& object : objects) {
    const std::set<int> pixels = amodal_set(object.canvas);
    const bool suppressed = std::any_of(sets.begin(), sets.end(), [&](const std::set<int>& other) {
      const size_t inter = intersection(pixels, other).size();
      return static_cast<double>(inter) / static_cast<double>(pixels.size() + other.size() - inter) >
             in.options.mask_nms;
    });
    if (suppressed) {
      ++result.dropped_by_nms;
    } else {
      kept.push_back(std::move(object));
      sets.push_back(pixels);
    }
  }
  std::set<int> shown;
  for (size_t i = 0; i < kept.size();) {
    const std::set<int> pixels = visible_set(kept[i].canvas);
    const size_t taken = intersection(pixels, shown).size();
    if (taken > 0 && static_cast<double>(taken) / static_cast<double>(pixels.size()) > in.options.visible_overlap) {
      ++result.dropped_by_nms;
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(i));
      sets.erase(sets.begin() + static_cast<std::ptrdiff_t>(i));
      continue;
    }
    shown.insert(pixels.begin(), pixels.end());
    ++i;
  }
  std::vector<size_t> reported;
  for (size_t i = 0; i < kept.size(); ++i) {
    ResultObject object = describe(in, kept[i], fused);
    if (object.amodal_area == 0) {
      ++result.dropped_empty;
    } else {
      result.objects.push_back(std::move(object));
      reported.push_back(i);
    }
  }
  for (size_t a = 0; a < reported.size(); ++a) {
    for (size_t b = a + 1; b < reported.size(); ++b) {
      if (intersection(sets[reported[a]], sets[reported[b]]).empty()) continue;
      ResultPair pair = order(kept[reported[a]].canvas, kept[reported[b]].canvas, in.options.threshold());
      pair.a = static_cast<int>(a);
      pair.b = static_cast<int>(b);
      result.pairs.push_back(pair);
    }
  }
  return result;
}

}  // namespace sln::naive
