// The config that travels from the PyTorch model through ONNX metadata and blob metadata to the engine.
#pragma once

#include <string>
#include <vector>

#include "engine/networks.h"

namespace sln {

struct Config {
  const Network* network = nullptr;  // of kNetworks
  const Encoder* encoder = nullptr;  // of kEncoders
  int side = 0;                      // S, canvas side in pixels
  int layers = 0;                    // K, visibility levels
  int feature_channels = 0;          // C
  int head_channels = 0;             // H
  int roi_side = 0;                  // P
  int max_rois = 0;                  // N
  std::vector<int> blocks;           // blocks per encoder stage
  int stem_channels = 0;             // channels of the stem; scales all widths of the encoder
  int rpn_channels = 0;
  int rpn_stride = 0;                 // canvas pixels per RPN cell, a multiple of 4
  std::vector<double> anchor_ratios;  // height / width
  std::vector<double> anchor_scales;  // fractions of S
  int pre_nms = 0;                    // candidates before the NMS of boxes
  double nms_iou = 0;                 // boxes are suppressed where IoU > nms_iou
  double min_box = 0;                 // smallest side of a box, fraction of S
  double mean[3] = {0, 0, 0};         // RGB, grey levels
  double std[3] = {1, 1, 1};          // RGB, grey levels
  double bn_eps = 1e-5;

  int grid() const { return side / rpn_stride; }  // RPN cells per axis
  int anchors_per_cell() const { return static_cast<int>(anchor_ratios.size() * anchor_scales.size()); }  // A
  int map_side() const { return side / 4; }  // side of F and G
  bool has_global_layers() const { return network->global_layers; }
  bool has_instance_layers() const { return network->instance_layers; }
  // Channels that RPN and RoI heads see: F and, where the network has them, the K+1 planes of G.
  int context_channels() const { return feature_channels + (has_global_layers() ? layers + 1 : 0); }
};

// Parses and validates a config. `where` names the source in errors ("FILE: sln.config"). Unknown, missing or
// ill-typed keys and values out of range are errors that name key, expected and found.
Config parse_config(const std::string& json, const std::string& where);

}  // namespace sln
