#include "engine/stages/image_masks.h"

#include <algorithm>
#include <numeric>

namespace sln {
namespace {

// The masks of an object while its columns come in from left to right.
struct MaskRuns {
  MaskRuns(ResultObject& result, std::vector<RunBuilder>& level_builders)
      : level_counts(result.level_counts),
        amodal(result.amodal),
        visible(result.visible),
        hidden(result.hidden),
        levels(level_builders) {
    levels.clear();
    for (Runs& level : result.levels) levels.emplace_back(level);
  }

  // Column x of a grid of height grid_h: its changes, the last of them back to the outside.
  void add_column(const PasteChange* changes, int count, int64_t x, int grid_h) {
    for (int i = 0; i < count; ++i) {
      const PasteChange& change = changes[i];
      const int64_t position = x * grid_h + change.y;
      const bool inside = change.code != kPasteOutside;
      amodal.set(inside, position);
      visible.set(inside && change.code == 0, position);
      hidden.set(inside && change.code != 0, position);
      for (size_t l = 0; l < levels.size(); ++l) levels[l].set(change.code == static_cast<int32_t>(l), position);
      if (inside) level_counts[static_cast<size_t>(change.code)] += changes[i + 1].y - change.y;
    }
  }

  void finish(int64_t pixels) {
    amodal.finish(pixels);
    visible.finish(pixels);
    hidden.finish(pixels);
    for (RunBuilder& level : levels) level.finish(pixels);
  }

  std::vector<int64_t>& level_counts;
  RunBuilder amodal, visible, hidden;
  std::vector<RunBuilder>& levels;  // none unless asked for
};

template <typename T>
T* at_least(std::vector<T>& scratch, size_t size) {
  if (scratch.size() < size) scratch.resize(size);
  return scratch.data();
}

}  // namespace

bool image_masks(const PasteObject& object, bool level_masks, ImageMaskScratch& scratch, ResultObject& result) {
  const PasteWindow window = cpu::paste_window(object);
  const size_t height = static_cast<size_t>(window.y_end - window.y_begin);
  PasteRow* rows = at_least(scratch.rows, height);
  float* columns = at_least(scratch.columns, cpu::paste_workspace_floats(object.channels, object.side, kPasteStrip));
  PasteChange* changes = at_least(scratch.changes, kPasteStrip * (height + 1));
  const size_t levels = static_cast<size_t>(object.channels - 1);
  result.level_counts.assign(levels, 0);
  result.levels.resize(level_masks ? levels : 0);
  result.level_rles.resize(level_masks ? levels : 0);
  MaskRuns runs(result, scratch.levels);
  cpu::paste_rows(object, window, rows);
  for (int x = window.x_begin; x < window.x_end; x += kPasteStrip) {
    int counts[kPasteStrip];
    cpu::paste_strip(object, window, rows, x, columns, changes, counts);
    for (int i = 0; i < kPasteStrip && x + i < window.x_end; ++i) {
      runs.add_column(changes + static_cast<size_t>(i) * (height + 1), counts[i], x + i, object.grid_h);
    }
  }
  result.amodal_area = std::accumulate(result.level_counts.begin(), result.level_counts.end(), int64_t{0});
  result.visible_area = result.level_counts[0];
  if (result.amodal_area == 0) return false;
  runs.finish(static_cast<int64_t>(object.grid_w) * object.grid_h);
  compress_runs(result.amodal, result.amodal_rle);
  compress_runs(result.visible, result.visible_rle);
  compress_runs(result.hidden, result.hidden_rle);
  for (size_t l = 0; l < result.levels.size(); ++l) compress_runs(result.levels[l], result.level_rles[l]);
  return true;
}

}  // namespace sln
