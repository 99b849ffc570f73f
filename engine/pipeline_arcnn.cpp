// The page of the networks "arcnn" and "arcnn-visible": no global layers, and one chain of convolutions per RoI that
// ends in masks instead of levels. What they do not predict is absent from captures.
#include <utility>

#include "engine/pipeline.h"
#include "engine/stages/mask.h"

namespace sln {

FoundBlock Pipeline::arcnn_page(Page& page, const Image& photo) {
  const Layers& layers = packed_->layers;
  Canvas canvas = page.stage("preprocess", preprocess(page, photo));
  Features features = page.stage("encoder", encoder(page, layers.encoder, std::move(canvas)));
  const RpnMaps maps = page.stage("rpn", rpn(page, layers.rpn, features.map.view));
  FoundBlock found = take_found(page);
  const auto threshold = static_cast<float>(options_.score_threshold);
  const Boxes boxes = page.stage("proposals", proposals(page, layers.anchors, threshold, maps, found.at));
  RoiFeatures rois = page.stage("roi_align", roi_align(page, features.map.view, boxes, 0));
  features = Features();  // its memory serves the head
  page.stage("mask", mask_head(page, layers.mask, std::move(rois), found.at));
  return found;
}

}  // namespace sln
