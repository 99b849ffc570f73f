#include "engine/stages/roi_align.h"

namespace sln {

RoiFeatures roi_align(Context& context, const MapView& src, const Boxes& boxes, int room) {
  const Config& config = context.config;
  RoiFeatures rois;
  rois.map = take_map(context, config.max_rois, config.roi_side, src.channels, ceil16(src.channels + room));
  rois.map.view.batch = boxes.count;
  RoiAlignParams params;
  params.src = src.data;
  params.h = src.h;
  params.w = src.w;
  params.src_stride = src.stride;
  params.channels = src.channels;
  params.boxes = boxes.boxes.floats();
  params.count = boxes.count;
  params.side = config.roi_side;
  params.dst = rois.map.view.data;
  params.dst_stride = rois.map.view.stride;
  context.backend.roi_align(params);
  return rois;
}

}  // namespace sln
