#include "engine/stages/roi_align.h"

namespace sln {

RoiFeatures roi_align(Context& context, const MapView& src, const Boxes& boxes, int room) {
  const Config& config = context.config;
  RoiFeatures rois;
  rois.map = take_map(context, boxes.items, config.roi_side, src.channels, ceil16(src.channels + room));
  RoiAlignOp op;
  op.src = src.data;
  op.h = src.h;
  op.w = src.w;
  op.src_stride = src.stride;
  op.channels = src.channels;
  op.boxes = boxes.boxes;
  op.items = boxes.items;
  op.side = config.roi_side;
  op.dst = rois.map.memory.floats();
  op.dst_stride = rois.map.view.stride;
  context.run(op);
  return rois;
}

}  // namespace sln
