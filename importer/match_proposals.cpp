// From the outputs boxes and scores back to the RPN. Exporters may juggle indices in their own ways; where this glue is
// not the known one, its constants are still read, and that the rest is right is left to a run.
#include <algorithm>
#include <set>

#include "importer/anchors.h"
#include "importer/walker.h"

namespace sln::importer {
namespace {

int64_t anchor_count(const Config& config) {
  return static_cast<int64_t>(config.anchors_per_cell()) * config.grid() * config.grid();
}

int64_t candidate_count(const Config& config) {
  return std::min<int64_t>(config.pre_nms, anchor_count(config));
}

void check_anchors(const Walker& walker, const Node& node, const ArrayPtr& found) {
  const auto anchors = make_anchors(walker.config);
  if (!found || !is_real(found->type) || found->dims != Dims{static_cast<int64_t>(anchors.size()), 4})
    fail_node(walker.graph, node, "anchors: expected a float constant [", anchors.size(), ",4], found ",
              found ? to_string(found->dims) : std::string("none"));
  for (size_t i = 0; i < anchors.size(); ++i)
    for (size_t j = 0; j < 4; ++j)
      walker.check_real(node, concat("anchor ", i, ", element ", j, " of cx cy w h"), found->real[i * 4 + j],
                        static_cast<double>(anchors[i][j]));
}

void check_top_k(const Walker& walker, const Node& node) {
  walker.check(node, "k", node.integers("k", {}), {candidate_count(walker.config)});
  walker.check(node, "axis", node.integer("axis", -1), 0);
  walker.check(node, "largest", node.integer("largest", 1), 1);
  walker.check(node, "sorted", node.integer("sorted", 1), 1);
}

void check_nms(const Walker& walker, const Node& node) {
  const auto most = node.integers("max_output_boxes_per_class", {0});
  if (node.inputs.size() != 2 || node.has("score_threshold"))
    fail_node(walker.graph, node, "expected constant thresholds and no score_threshold, found others");
  if (most.size() != 1 || most[0] < walker.config.max_rois)
    fail_node(walker.graph, node, "max_output_boxes_per_class: expected at least ", walker.config.max_rois, ", found ",
              to_string(most));
  walker.check_real(node, "iou_threshold", node.real("iou_threshold", 0.0), walker.config.nms_iou);
  walker.check(node, "center_point_box", node.integer("center_point_box", 0), 0);
}

// The known form, followed step by step.
class Proposals {
 public:
  explicit Proposals(Walker& walker) : w_(walker), c_(walker.config) {}

  // Sets the values rpn_objectness and rpn_deltas among others.
  void match(ValueId boxes, ValueId scores) {
    const Node& box_gather = gather(boxes, "kept boxes");
    kept_ = box_gather.inputs[1];
    large_boxes_ = box_gather.inputs[0];
    const Node& sigmoid = w_.claim(scores, "Sigmoid", "scores");
    const Node& logit_gather = gather(sigmoid.inputs[0], "logits of the kept boxes");
    w_.same(logit_gather, logit_gather.inputs[1], kept_, "indices of the kept boxes");
    large_logits_ = logit_gather.inputs[0];
    match_nms();
    match_size_filter();
    match_decoding();
    match_candidates();
    match_logits();
    match_deltas();
    prove();
  }

 private:
  const Node& gather(ValueId value, const std::string& role) {
    const Node& node = w_.claim(value, "Gather", role);
    w_.check(node, role + ", axis", node.integer("axis", 0), 0);
    return node;
  }

  void match_nms() {
    const ValueId first = w_.slice(kept_, 0, 0, c_.max_rois, "first boxes kept");
    const Node& squeeze = w_.claim(first, "Squeeze", "box numbers of the NMS");
    w_.check(squeeze, "axes", squeeze.integers("axes", {}), {1});
    const ValueId table = w_.slice(squeeze.inputs[0], 1, 2, 3, "box column of the NMS");
    const Node& nms = w_.claim(table, "NonMaxSuppression", "NMS of boxes");
    check_nms(w_, nms);
    const Node& boxes = w_.claim(nms.inputs[0], "Unsqueeze", "boxes of the NMS");
    w_.check(boxes, "axes", boxes.integers("axes", {}), {0});
    w_.same(boxes, boxes.inputs[0], large_boxes_, "boxes of the NMS");
    const Node& logits = w_.claim(nms.inputs[1], "Unsqueeze", "scores of the NMS");
    w_.check(logits, "axes", logits.integers("axes", {}), {0, 1});
    w_.same(logits, logits.inputs[0], large_logits_, "scores of the NMS");
  }

  void match_size_filter() {
    const Node& boxes = gather(large_boxes_, "boxes that are large enough");
    boxes_ = boxes.inputs[0];
    large_ = boxes.inputs[1];
    const Node& logits = gather(large_logits_, "logits of boxes that are large enough");
    w_.same(logits, logits.inputs[1], large_, "indices of boxes that are large enough");
    logits_ = logits.inputs[0];
    const Node& squeeze = w_.claim(large_, "Squeeze", "indices of boxes that are large enough");
    w_.check(squeeze, "axes", squeeze.integers("axes", {}), {1});
    const Node& transpose = w_.claim(squeeze.inputs[0], "Transpose", "indices of boxes that are large enough");
    w_.check(transpose, "perm", transpose.integers("perm", {1, 0}), {1, 0});
    const Node& non_zero = w_.claim(transpose.inputs[0], "NonZero", "boxes that are large enough");
    const Node& compare = w_.claim(non_zero.inputs[0], "GreaterOrEqual", "smallest side of a box");
    w_.same(compare, compare.inputs[0], w_.operand_of(compare, {c_.min_box * c_.side}), "smaller side of a box");
    const Node& smaller = w_.claim(compare.inputs[0], "ReduceMin", "smaller side of a box");
    w_.check(smaller, "axes", smaller.integers("axes", {}), {1});
    w_.check(smaller, "keepdims", smaller.integer("keepdims", 1), 0);
    const Node& sides = w_.claim(smaller.inputs[0], "Sub", "sides of a box");
    w_.same(sides, w_.slice(sides.inputs[0], 1, 2, 4, "x1 y1 of a box"), boxes_, "boxes");
    w_.same(sides, w_.slice(sides.inputs[1], 1, 0, 2, "x0 y0 of a box"), boxes_, "boxes");
  }

  // The operand of a Mul or Add that is not `known`.
  ValueId other_operand(const Node& node, ValueId known, const std::string& what) {
    if (node.inputs[0] != known) w_.same(node, node.inputs[1], known, what);
    return node.inputs[node.inputs[0] == known ? 1 : 0];
  }

  void match_decoding() {
    const Node& clip = w_.claim(boxes_, "Clip", "boxes clipped to the canvas");
    w_.check(clip, "constant bounds", static_cast<int64_t>(clip.inputs.size()), 1);
    w_.check_real(clip, "min", clip.real("min", -1), 0);
    w_.check_real(clip, "max", clip.real("max", -1), c_.side);
    const Node& corners = w_.claim(clip.inputs[0], "Concat", "corners of a box");
    w_.check(corners, "axis", corners.integer("axis", 0), 1);
    w_.check(corners, "inputs", static_cast<int64_t>(corners.inputs.size()), 2);
    const Node& low = w_.claim(corners.inputs[0], "Sub", "x0 y0 of a box");
    const Node& high = w_.claim(corners.inputs[1], "Add", "x1 y1 of a box");
    const ValueId centre = low.inputs[0], half = low.inputs[1];
    w_.same(high, other_operand(high, centre, "centre of a box"), half, "half sides of a box");
    match_sides(half);
    const Node& shifted = w_.claim(centre, "Add", "centre of a box");
    const bool first = w_.graph.producer(shifted.inputs[0]) && w_.graph.producer(shifted.inputs[0])->op == "Mul";
    const Node& shift = w_.claim(shifted.inputs[first ? 0 : 1], "Mul", "shift of a box");
    w_.same(shifted, w_.slice(shifted.inputs[first ? 1 : 0], 1, 0, 2, "centre of an anchor"), anchors_, "anchors");
    const ValueId offset = other_operand(shift, sizes_, "sides of an anchor");
    w_.same(shift, w_.slice(offset, 1, 0, 2, "dx dy"), deltas_, "deltas");
  }

  void match_sides(ValueId half) {
    const Node& halving = w_.claim(half, "Mul", "half sides of a box");
    const Node& sides = w_.claim(w_.operand_of(halving, {0.5}), "Mul", "sides of a box");
    const bool first = w_.graph.producer(sides.inputs[0]) && w_.graph.producer(sides.inputs[0])->op == "Exp";
    const Node& growth = w_.claim(sides.inputs[first ? 0 : 1], "Exp", "growth of a box");
    const Node& clip = w_.claim(growth.inputs[0], "Clip", "clipped dw dh");
    w_.check(clip, "constant bounds", static_cast<int64_t>(clip.inputs.size()), 1);
    if (clip.has("min")) fail_node(w_.graph, clip, "min: expected none, found ", clip.real("min", 0));
    w_.check_real(clip, "max", clip.real("max", 0), max_log_scale());
    deltas_ = w_.slice(clip.inputs[0], 1, 2, 4, "dw dh");
    sizes_ = sides.inputs[first ? 1 : 0];
    anchors_ = w_.slice(sizes_, 1, 2, 4, "sides of an anchor");
  }

  void match_candidates() {
    const Node& anchors = gather(anchors_, "anchors of the candidates");
    check_anchors(w_, anchors, w_.graph.constant(anchors.inputs[0]));
    top_k_ = anchors.inputs[1];
    const Node& deltas = gather(deltas_, "deltas of the candidates");
    w_.same(deltas, deltas.inputs[1], top_k_, "indices of the candidates");
    rows_ = deltas.inputs[0];
    const Node& top = w_.claim(top_k_, "TopK", "candidates");
    check_top_k(w_, top);
    w_.check(top, "outputs", static_cast<int64_t>(top.outputs.size()), 2);
    w_.same(top, top_k_, top.outputs[1], "indices of the candidates");
    all_logits_ = top.inputs[0];
    if (logits_ == top.outputs[0]) return;  // TopK's own values are the same logits
    const Node& logits = gather(logits_, "logits of the candidates");
    w_.same(logits, logits.inputs[0], all_logits_, "logits");
    w_.same(logits, logits.inputs[1], top_k_, "indices of the candidates");
  }

  // [1,A,g,g] -> [A,g*g] -> [g*g,A] -> [g*g*A]
  void match_logits() {
    const int64_t a = c_.anchors_per_cell(), cells = static_cast<int64_t>(c_.grid()) * c_.grid();
    const Node& flat = w_.claim(all_logits_, "Reshape", "flat logits");
    w_.check_shape(flat, {a * cells});
    const Node& turned = w_.claim(flat.inputs[0], "Transpose", "logits by cell");
    w_.check(turned, "perm", turned.integers("perm", {}), {1, 0});
    const Node& planes = w_.claim(turned.inputs[0], "Reshape", "logit planes");
    w_.check_shape(planes, {a, cells});
    w_.result.values["rpn_objectness"] = planes.inputs[0];
  }

  // [1,4A,g,g] -> [A,4,g*g] -> [g*g,A,4] -> [g*g*A,4]
  void match_deltas() {
    const int64_t a = c_.anchors_per_cell(), cells = static_cast<int64_t>(c_.grid()) * c_.grid();
    const Node& flat = w_.claim(rows_, "Reshape", "rows of deltas");
    w_.check_shape(flat, {a * cells, 4});
    const Node& turned = w_.claim(flat.inputs[0], "Transpose", "deltas by cell");
    w_.check(turned, "perm", turned.integers("perm", {}), {2, 0, 1});
    const Node& planes = w_.claim(turned.inputs[0], "Reshape", "delta planes");
    w_.check_shape(planes, {a, 4, cells});
    w_.result.values["rpn_deltas"] = planes.inputs[0];
  }

  void prove() {
    w_.result.values["top_k"] = top_k_;
    w_.result.values["large"] = large_;
    w_.result.values["kept"] = kept_;
    w_.prove("anchors", concat(anchor_count(c_), " boxes, every element equal"));
    w_.prove("RPN layout", "anchor number (y*g + x)*A + a, deltas 4a..4a+3");
    w_.prove("top-k", concat(candidate_count(c_), " largest logits, sorted"));
    w_.prove("box decoding",
             concat("centre + d * side, side * exp(min(d, ", max_log_scale(), ")), clipped to 0..", c_.side));
    w_.prove("smallest box", concat("sides of at least ", c_.min_box * c_.side, " pixels"));
    w_.prove("NMS of boxes", concat("IoU > ", c_.nms_iou, " suppressed, by logit, first ", c_.max_rois, " kept"));
  }

  Walker& w_;
  const Config& c_;
  // Values between the steps, named by what they hold.
  ValueId kept_ = kNoValue, large_boxes_ = kNoValue, large_logits_ = kNoValue, large_ = kNoValue, boxes_ = kNoValue,
          logits_ = kNoValue, anchors_ = kNoValue, sizes_ = kNoValue, deltas_ = kNoValue, top_k_ = kNoValue,
          rows_ = kNoValue, all_logits_ = kNoValue;
};

// Glue in a form that is not known: everything between the RPN's convolutions and the outputs, by kind of operator.
class UnreadProposals {
 public:
  UnreadProposals(Walker& walker, const std::string& reason) : w_(walker), reason_(reason) {}

  void match(ValueId boxes, ValueId scores) {
    collect(boxes);
    collect(scores);
    const Node& top = only("TopK");
    const Node& nms = only("NonMaxSuppression");
    check_top_k(w_, top);
    check_nms(w_, nms);
    find_anchors();
    find_heads();
    w_.prove("anchors", concat(anchor_count(w_.config), " boxes, every element equal"));
    w_.prove("top-k", concat(candidate_count(w_.config), " largest logits, sorted"));
    w_.prove("NMS of boxes", concat("IoU > ", w_.config.nms_iou, " suppressed"));
    for (const char* item : {"RPN layout", "box decoding", "smallest box"})
      w_.result.glue.push_back({item, concat("not in the known form: ", reason_), false});
  }

 private:
  void collect(ValueId value) {
    static const std::set<std::string> allowed = {"Add",       "Sub",
                                                  "Mul",       "Div",
                                                  "Min",       "Max",
                                                  "Exp",       "Clip",
                                                  "Sigmoid",   "Cast",
                                                  "Concat",    "Slice",
                                                  "Gather",    "GatherND",
                                                  "Squeeze",   "Unsqueeze",
                                                  "Reshape",   "Transpose",
                                                  "Shape",     "Range",
                                                  "Expand",    "ConstantOfShape",
                                                  "Where",     "NonZero",
                                                  "Greater",   "GreaterOrEqual",
                                                  "Less",      "LessOrEqual",
                                                  "Equal",     "And",
                                                  "Or",        "Not",
                                                  "ReduceMin", "ReduceMax",
                                                  "TopK",      "NonMaxSuppression"};
    const Node* node = w_.graph.producer(value);
    if (node == nullptr) return;
    if (node->op == "FusedConv") {
      heads_.insert(value);
      return;
    }
    if (allowed.count(node->op) == 0)
      fail_node(w_.graph, *node, "glue of the proposals: expected index and box arithmetic, found ", node->source_op);
    if (!w_.claimed.insert(node).second) return;
    nodes_.push_back(node);
    for (const ValueId input : node->inputs)
      if (input != kNoValue) collect(input);
  }

  const Node& only(const std::string& op) const {
    const Node* found = nullptr;
    for (const Node* node : nodes_) {
      if (node->op != op) continue;
      if (found != nullptr) fail_node(w_.graph, *node, "glue of the proposals: expected one ", op, ", found a second");
      found = node;
    }
    if (found == nullptr)
      fail(ErrorKind::kFormat, w_.graph.source, ": glue of the proposals: expected one ", op, ", found none");
    return *found;
  }

  void find_anchors() const {
    const Node* reader = nullptr;
    ArrayPtr anchors;
    for (const Node* node : nodes_)
      for (const ValueId input : node->inputs)
        if (const ArrayPtr constant = w_.graph.constant(input);
            constant && is_real(constant->type) && constant->dims == Dims{anchor_count(w_.config), 4}) {
          if (anchors && constant != anchors)
            fail_node(w_.graph, *node, "anchors: expected one constant of their shape, found a second");
          anchors = constant;
          reader = node;
        }
    if (reader == nullptr)
      fail(ErrorKind::kFormat, w_.graph.source, ": anchors: expected a float constant [", anchor_count(w_.config),
           ",4], found none");
    check_anchors(w_, *reader, anchors);
  }

  void find_heads() {
    const int64_t a = w_.config.anchors_per_cell();
    for (const ValueId head : heads_) {
      const Dims& shape = w_.graph.value(head).shape;
      const int64_t channels = shape.size() == 4 ? shape[1] : 0;
      if (channels == a) w_.result.values["rpn_objectness"] = head;
      if (channels == 4 * a) w_.result.values["rpn_deltas"] = head;
    }
    if (heads_.size() != 2 || w_.result.values.count("rpn_objectness") == 0 ||
        w_.result.values.count("rpn_deltas") == 0)
      fail(ErrorKind::kFormat, w_.graph.source, ": RPN: expected two convolutions of ", a, " and ", 4 * a,
           " channels behind boxes and scores, found ", heads_.size(), " others");
  }

  Walker& w_;
  std::string reason_;
  std::vector<const Node*> nodes_;
  std::set<ValueId> heads_;
};

void match_rpn(Walker& walker, ValueId context) {
  const Node& objectness = walker.layer(walker.result.values.at("rpn_objectness"), "rpn.objectness");
  const Node& deltas = walker.layer(walker.result.values.at("rpn_deltas"), "rpn.deltas");
  walker.same(deltas, deltas.inputs[0], objectness.inputs[0], "input of the RPN's last convolutions");
  const Node& conv = walker.layer(objectness.inputs[0], "rpn.conv");
  const int64_t pool_side = walker.config.rpn_stride / 4;
  const Node* pool = walker.claim_if(conv.inputs[0], "AveragePool");
  if (pool == nullptr && pool_side == 1) return walker.same(conv, conv.inputs[0], context, "input of the RPN");
  if (pool == nullptr) pool = &walker.claim(conv.inputs[0], "AveragePool", "pool of the RPN");
  walker.check(*pool, "kernel_shape", pool->integers("kernel_shape", {}), {pool_side, pool_side});
  walker.check(*pool, "strides", pool->integers("strides", {1, 1}), {pool_side, pool_side});
  walker.check(*pool, "pads", pool->integers("pads", {0, 0, 0, 0}), {0, 0, 0, 0});
  walker.check(*pool, "dilations", pool->integers("dilations", {1, 1}), {1, 1});
  walker.check(*pool, "ceil_mode", pool->integer("ceil_mode", 0), 0);
  walker.check(*pool, "auto_pad", pool->text("auto_pad", "NOTSET"), "NOTSET");
  walker.same(*pool, pool->inputs[0], context, "input of the RPN");
  walker.prove("average pool", concat(pool_side, " x ", pool_side, ", no padding"));
}

}  // namespace

void match_proposals(Walker& walker, ValueId boxes, ValueId scores, ValueId context) {
  const std::set<const Node*> before = walker.claimed;
  try {
    Proposals(walker).match(boxes, scores);
  } catch (const StructureError& error) {
    walker.claimed = before;
    std::string reason = error.what();
    const std::string prefix = walker.graph.source + ": ";
    if (reason.rfind(prefix, 0) == 0) reason = reason.substr(prefix.size());
    UnreadProposals(walker, reason).match(boxes, scores);
  }
  match_rpn(walker, context);
}

}  // namespace sln::importer
