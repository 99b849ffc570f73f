#include "evaluation/mask.h"

#include <algorithm>

#include "engine/error.h"

namespace sln::evaluation {
namespace {

// Appends a span behind all others, joining those that touch.
void append(std::vector<Span>& spans, Span span) {
  if (span.begin >= span.end) return;
  if (!spans.empty() && span.begin <= spans.back().end) {
    spans.back().end = std::max(spans.back().end, span.end);
  } else {
    spans.push_back(span);
  }
}

// Area and rectangle, from the spans.
Mask finished(Mask mask) {
  mask.area = 0;
  if (mask.spans.empty()) return mask;
  const auto height = static_cast<uint32_t>(mask.height);
  mask.left = static_cast<int>(mask.spans.front().begin / height);
  mask.right = static_cast<int>((mask.spans.back().end - 1) / height) + 1;
  mask.top = mask.height;
  mask.bottom = 0;
  for (const Span& span : mask.spans) {
    mask.area += span.end - span.begin;
    const uint32_t last = span.end - 1;
    if (span.begin / height != last / height) {  // over a column's foot: it has the next one's head too
      mask.top = 0;
      mask.bottom = mask.height;
    } else {
      mask.top = std::min(mask.top, static_cast<int>(span.begin % height));
      mask.bottom = std::max(mask.bottom, static_cast<int>(last % height) + 1);
    }
  }
  return mask;
}

bool rectangles_meet(const Mask& a, const Mask& b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

// First span that ends after `position`.
size_t first_after(const Mask& mask, uint32_t position) {
  const auto found = std::upper_bound(mask.spans.begin(), mask.spans.end(), position,
                                      [](uint32_t at, const Span& span) { return at < span.end; });
  return static_cast<size_t>(found - mask.spans.begin());
}

// Calls visit(span) for every piece that both masks have, ascending.
template <typename Visit>
void for_each_common(const Mask& a, const Mask& b, Visit visit) {
  if (!rectangles_meet(a, b)) return;
  size_t i = first_after(a, b.spans.front().begin);
  size_t j = first_after(b, a.spans.front().begin);
  while (i < a.spans.size() && j < b.spans.size()) {
    const uint32_t begin = std::max(a.spans[i].begin, b.spans[j].begin);
    const uint32_t end = std::min(a.spans[i].end, b.spans[j].end);
    if (begin < end) visit(Span{begin, end});
    a.spans[i].end < b.spans[j].end ? ++i : ++j;
  }
}

}  // namespace

Mask empty_mask(int width, int height) {
  Mask mask;
  mask.width = width;
  mask.height = height;
  return mask;
}

Mask mask_of_spans(const std::vector<Span>& spans, int width, int height) {
  Mask mask = empty_mask(width, height);
  mask.spans.reserve(spans.size());
  for (const Span& span : spans) append(mask.spans, span);
  return finished(std::move(mask));
}

Mask mask_of_runs(const std::vector<int64_t>& runs, int width, int height) {
  const int64_t pixels = int64_t{width} * height;
  std::vector<Span> spans;
  int64_t at = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i] < 0) fail(ErrorKind::kFormat, "expected run lengths of at least 0, found ", runs[i]);
    if (runs[i] > pixels - at)
      fail(ErrorKind::kFormat, "expected a run-length code of ", pixels, " pixels, found one of more");
    if ((i & 1) != 0) spans.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(at + runs[i])});
    at += runs[i];
  }
  if (at != pixels) fail(ErrorKind::kFormat, "expected a run-length code of ", pixels, " pixels, found one of ", at);
  return mask_of_spans(spans, width, height);
}

std::vector<int64_t> decode_runs(const std::string& text, int64_t pixels) {
  std::vector<int64_t> runs;
  for (size_t at = 0; at < text.size();) {
    int64_t value = 0;
    int shift = 0;
    int bits = 0;
    do {
      bits = at < text.size() ? text[at++] - 48 : -1;
      if (bits < 0 || bits > 63 || shift > 50)
        fail(ErrorKind::kFormat, "expected a COCO run-length code, found \"", text.substr(0, 20), "\"");
      value |= static_cast<int64_t>(bits & 31) << shift;
      shift += 5;
    } while ((bits & 32) != 0);
    if ((bits & 16) != 0) value -= int64_t{1} << shift;  // sign of the last five bits
    if (runs.size() > 2) value += runs[runs.size() - 2];
    // Checked here, so that differences cannot add up to more than 64 bits hold.
    if (value < 0) fail(ErrorKind::kFormat, "expected run lengths of at least 0, found ", value);
    if (value > pixels)
      fail(ErrorKind::kFormat, "expected a run-length code of ", pixels, " pixels, found a run of ", value);
    runs.push_back(value);
  }
  return runs;
}

int64_t intersection_area(const Mask& a, const Mask& b) {
  int64_t area = 0;
  for_each_common(a, b, [&](Span span) { area += span.end - span.begin; });
  return area;
}

Mask intersect(const Mask& a, const Mask& b) {
  Mask mask = empty_mask(a.width, a.height);
  for_each_common(a, b, [&](Span span) { append(mask.spans, span); });
  return finished(std::move(mask));
}

Mask unite(const Mask& a, const Mask& b) {
  std::vector<Span> all(a.spans.size() + b.spans.size());
  std::merge(a.spans.begin(), a.spans.end(), b.spans.begin(), b.spans.end(), all.begin(),
             [](const Span& one, const Span& other) { return one.begin < other.begin; });
  return mask_of_spans(all, a.width, a.height);
}

Mask subtract(const Mask& a, const Mask& b) {
  Mask mask = empty_mask(a.width, a.height);
  size_t j = 0;
  for (Span left : a.spans) {
    while (j < b.spans.size() && b.spans[j].end <= left.begin) ++j;
    for (size_t k = j; k < b.spans.size() && b.spans[k].begin < left.end; ++k) {
      append(mask.spans, {left.begin, std::max(left.begin, b.spans[k].begin)});
      left.begin = std::min(left.end, b.spans[k].end);
    }
    append(mask.spans, left);
  }
  return finished(std::move(mask));
}

double iou(const Mask& a, const Mask& b) {
  const int64_t common = intersection_area(a, b);
  if (common == 0) return 0;
  return static_cast<double>(common) / static_cast<double>(a.area + b.area - common);
}

}  // namespace sln::evaluation
