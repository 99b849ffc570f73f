#include "apps/scene.h"

#include <cstddef>

namespace sln::apps {
namespace {

using Matrix = std::vector<std::vector<char>>;

// reach[i][j]: a chain of decided pairs leads from i (in front) to j (behind).
Matrix reachable(int n, const std::vector<ScenePair>& pairs) {
  Matrix reach(static_cast<size_t>(n), std::vector<char>(static_cast<size_t>(n), 0));
  for (const ScenePair& pair : pairs) {
    if (pair.decided) reach[static_cast<size_t>(pair.front)][static_cast<size_t>(pair.behind)] = 1;
  }
  for (size_t k = 0; k < reach.size(); ++k) {
    for (auto& row : reach) {
      if (row[k] == 0) continue;
      for (size_t j = 0; j < row.size(); ++j) row[j] |= reach[k][j];
    }
  }
  return reach;
}

// Whether everything remaining that leads to i is also led to by i: nothing strictly in front of its cycle remains.
bool is_front(size_t i, const Matrix& reach, const std::vector<int>& depth) {
  for (size_t j = 0; j < reach.size(); ++j) {
    if (depth[j] == 0 && j != i && reach[j][i] != 0 && reach[i][j] == 0) return false;
  }
  return true;
}

bool is_free(size_t i, const std::vector<ScenePair>& pairs, const std::vector<int>& depth) {
  for (const ScenePair& pair : pairs) {
    if (pair.decided && static_cast<size_t>(pair.behind) == i && depth[static_cast<size_t>(pair.front)] == 0)
      return false;
  }
  return true;
}

}  // namespace

std::vector<int> depth_order(int object_count, const std::vector<ScenePair>& pairs) {
  std::vector<int> depth(static_cast<size_t>(object_count), 0);
  const Matrix reach = reachable(object_count, pairs);
  for (int place = 1; place <= object_count; ++place) {
    // Objects are numbered by score, so the first that qualifies is the one of the highest score.
    size_t chosen = depth.size();
    for (size_t i = 0; i < depth.size() && chosen == depth.size(); ++i) {
      if (depth[i] == 0 && is_free(i, pairs, depth)) chosen = i;
    }
    for (size_t i = 0; i < depth.size() && chosen == depth.size(); ++i) {
      if (depth[i] == 0 && is_front(i, reach, depth)) chosen = i;
    }
    depth[chosen] = place;
  }
  return depth;
}

}  // namespace sln::apps
