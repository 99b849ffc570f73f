#include "engine/stages/context.h"

namespace sln {

Map take_map(Context& context, int batch, int side, int channels, int stride) {
  Map map;
  const int floats = stride != 0 ? stride : ceil16(channels);
  map.memory = context.arena.take(static_cast<size_t>(batch) * static_cast<size_t>(side) * static_cast<size_t>(side) *
                                  static_cast<size_t>(floats) * sizeof(float));
  map.view = {map.memory.floats(), batch, side, side, channels, floats};
  return map;
}

void conv_into(Context& context, const ConvLayer& layer, const MapView& src, const MapView* residual,
               const MapView& dst) {
  const ConvDesc& desc = layer.desc;
  ConvParams params;
  params.src = src.data;
  params.batch = src.batch;
  params.in_h = src.h;
  params.in_w = src.w;
  params.src_stride = src.stride;
  params.dst = dst.data;
  params.out_h = dst.h;
  params.out_w = dst.w;
  params.dst_stride = dst.stride;
  if (residual != nullptr) {
    params.residual = residual->data;
    params.residual_stride = residual->stride;
  }
  params.weights = layer.packed.get();
  context.backend.conv(desc, params);
  context.macs += static_cast<int64_t>(desc.in_channels) * desc.out_channels * desc.kernel * desc.kernel * src.batch *
                  dst.h * dst.w;
}

Map conv(Context& context, const ConvLayer& layer, const MapView& src, const MapView* residual, int capacity) {
  const ConvDesc& desc = layer.desc;
  Map dst = take_map(context, capacity != 0 ? capacity : src.batch, (src.h + desc.stride - 1) / desc.stride,
                     desc.out_channels);
  dst.view.batch = src.batch;
  conv_into(context, layer, src, residual, dst.view);
  return dst;
}

Map depthwise(Context& context, const DepthwiseLayer& layer, const MapView& src) {
  const DepthwiseDesc& desc = layer.desc;
  Map dst = take_map(context, 1, (src.h + desc.stride - 1) / desc.stride, desc.channels);
  DepthwiseParams params;
  params.src = src.data;
  params.in_h = src.h;
  params.in_w = src.w;
  params.src_stride = src.stride;
  params.dst = dst.view.data;
  params.out_h = dst.view.h;
  params.out_w = dst.view.w;
  params.dst_stride = dst.view.stride;
  params.weights = layer.packed.get();
  context.backend.depthwise(desc, params);
  context.macs += static_cast<int64_t>(desc.channels) * desc.kernel * desc.kernel * dst.view.h * dst.view.w;
  return dst;
}

PoolParams pooling(const MapView& src, const MapView& dst, int kernel, int stride, int pad) {
  PoolParams params;
  params.src = src.data;
  params.in_h = src.h;
  params.in_w = src.w;
  params.src_stride = src.stride;
  params.channels = src.channels;
  params.dst = dst.data;
  params.out_h = dst.h;
  params.out_w = dst.w;
  params.dst_stride = dst.stride;
  params.kernel = kernel;
  params.stride = stride;
  params.pad = pad;
  return params;
}

}  // namespace sln
