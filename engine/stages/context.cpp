#include "engine/stages/context.h"

namespace sln {
namespace {

void add_work(Work& work, const Items& items, int64_t macs_per_item) {
  if (items.used == nullptr) {
    work.image += items.room * macs_per_item;
  } else {
    work.per_item += macs_per_item;
  }
}

}  // namespace

void Context::run(const Op& op) {
  // Taken even where it is empty: an image that is resized and a canvas that is given take as many buffers.
  Buffer scratch = arena.take(backend.scratch_bytes(op));
  if (!arena.recording()) backend.run(op, scratch.data());
}

Map take_map(Context& context, const Items& batch, int side, int channels, int stride) {
  Map map;
  const int floats = stride != 0 ? stride : ceil16(channels);
  map.memory = context.arena.take(static_cast<size_t>(batch.room) * static_cast<size_t>(side) *
                                  static_cast<size_t>(side) * static_cast<size_t>(floats) * sizeof(float));
  map.view = {{batch, side, side, channels, floats}, map.memory.floats()};
  return map;
}

void conv_into(Context& context, const ConvLayer& layer, const MapView& src, const MapView* residual,
               const MutableView& dst) {
  ConvOp op;
  op.desc = layer.desc;
  op.src = src.data;
  op.batch = src.batch;
  op.in_h = src.h;
  op.in_w = src.w;
  op.src_stride = src.stride;
  op.dst = dst.data;
  op.out_h = dst.h;
  op.out_w = dst.w;
  op.dst_stride = dst.stride;
  if (residual != nullptr) {
    op.residual = residual->data;
    op.residual_stride = residual->stride;
  }
  op.weights = layer.packed;
  context.run(op);
  add_work(context.work, op.batch, macs_per_item(op));
}

Map conv(Context& context, const ConvLayer& layer, const MapView& src, const MapView* residual) {
  const ConvDesc& desc = layer.desc;
  Map dst = take_map(context, src.batch, (src.h + desc.stride - 1) / desc.stride, desc.out_channels);
  conv_into(context, layer, src, residual, dst.out());
  return dst;
}

Map depthwise(Context& context, const DepthwiseLayer& layer, const MapView& src) {
  const DepthwiseDesc& desc = layer.desc;
  Map dst = take_map(context, src.batch, (src.h + desc.stride - 1) / desc.stride, desc.channels);
  DepthwiseOp op;
  op.desc = desc;
  op.src = src.data;
  op.in_h = src.h;
  op.in_w = src.w;
  op.src_stride = src.stride;
  op.dst = dst.memory.floats();
  op.out_h = dst.view.h;
  op.out_w = dst.view.w;
  op.dst_stride = dst.view.stride;
  op.weights = layer.packed;
  context.run(op);
  add_work(context.work, src.batch, macs_per_item(op));
  return dst;
}

void pool_into(Context& context, const PoolOp& how, const MapView& src, const MutableView& dst) {
  PoolOp op = how;
  op.src = src.data;
  op.in_h = src.h;
  op.in_w = src.w;
  op.src_stride = src.stride;
  op.channels = src.channels;
  op.dst = dst.data;
  op.out_h = dst.h;
  op.out_w = dst.w;
  op.dst_stride = dst.stride;
  context.run(op);
}

}  // namespace sln
