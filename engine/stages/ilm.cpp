#include "engine/stages/ilm.h"

namespace sln {

InstanceLayers ilm(Context& context, const ThreeConvLayers& layers, const MapView& rois, const MutableView& semdist) {
  InstanceLayers out;
  {
    Map map = conv(context, layers.conv1, rois);
    map = conv(context, layers.conv2, map.view);
    out.logits = conv(context, layers.conv3, map.view);
  }
  out.probabilities = take_map(context, rois.batch, rois.h, context.config.layers + 1);
  SoftmaxOp op;
  op.src = out.logits.view.data;
  op.items = rois.batch;
  op.pixels_per_item = rois.pixels_per_item();
  op.src_stride = out.logits.view.stride;
  op.channels = out.logits.view.channels;
  op.dst = out.probabilities.memory.floats();
  op.dst_stride = out.probabilities.view.stride;
  op.zero_pad = op.dst_stride - op.channels;
  op.semdist = semdist.data;
  op.semdist_stride = semdist.stride;
  context.run(op);
  return out;
}

}  // namespace sln
