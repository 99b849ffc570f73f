// The page of the networks "arcnn" and "arcnn-visible": no global layers, and one chain of convolutions per RoI that
// ends in masks instead of levels. What they do not predict is absent from captures.
#include <utility>

#include "engine/pipeline.h"
#include "engine/stages/mask.h"

namespace sln {

Prediction Pipeline::arcnn_page(Context& context, const Image& image, StageWatch& watch) {
  Prediction out;
  Canvas canvas = preprocess(context, image);
  out.scaled_w = canvas.scaled_w;
  out.scaled_h = canvas.scaled_h;
  watch.end("preprocess");
  watch.keep("canvas", canvas.map.view);

  Features features = encoder(context, layers_.encoder, std::move(canvas));
  watch.end("encoder");
  watch.keep("features", features.map.view);

  const RpnMaps maps = rpn(context, layers_.rpn, features.map.view);
  watch.end("rpn");
  watch.keep("rpn_objectness", maps.objectness.view);
  watch.keep("rpn_deltas", maps.deltas.view);

  out.boxes = proposals(context, anchors_, static_cast<float>(options_.score_threshold), maps);
  watch.end("proposals");
  watch.keep([&](Capture& capture) { capture_boxes(out.boxes, capture); });

  const RoiFeatures rois = roi_align(context, features.map.view, out.boxes, 0);
  features = Features();  // its memory serves the head
  watch.end("roi_align");

  out.semdist = mask_head(context, layers_.mask, rois);
  watch.end("mask");
  watch.keep([&](Capture& capture) { capture_semdist(config_, out.semdist, capture); });
  return out;
}

}  // namespace sln
