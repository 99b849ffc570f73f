// The tables and lines of a report.
#include <charconv>

#include "evaluation/report.h"

namespace sln::evaluation {
namespace {

std::string fixed(double value, int decimals) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, decimals);
  return std::string(buffer, result.ptr);
}

// The shortest text that reads back as the same double, "" where there is none.
std::string shortest(const std::optional<double>& value) {
  if (!value) return "";
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, *value);
  return std::string(buffer, result.ptr);
}

std::string right(const std::string& text, size_t width) {
  return text.size() >= width ? text : std::string(width - text.size(), ' ') + text;
}

std::string left(const std::string& text, size_t width) {
  return text.size() >= width ? text : text + std::string(width - text.size(), ' ');
}

std::string cell(const std::optional<double>& value) {
  return right(value ? fixed(*value, 6) : "-", 11);
}

std::string cell(int64_t value) {
  return right(std::to_string(value), 11);
}

std::string cell(const char* text) {
  return right(text, 11);
}

constexpr size_t kName = 22;

template <typename... Cells>
std::string row(const std::string& name, const Cells&... cells) {
  std::string line = "  " + left(name, kName);
  ((line += cell(cells)), ...);
  return line + "\n";
}

std::optional<double> defined(double value) {
  return value < 0 ? std::nullopt : std::optional<double>(value);
}

std::string head(const Report& report) {
  const Sums& sums = report.files[0].sums;
  std::string text = "annotations " + report.annotations + ": " + std::to_string(report.images) + " images, " +
                     std::to_string(sums.regions) + " regions, " + std::to_string(sums.occluded) + " of them occluded" +
                     (report.author.empty() ? "" : ", author " + report.author) + "\n";
  for (const FileReport& file : report.files) {
    text += "results     " + file.file + ": " + std::to_string(file.detections) + " detections";
    if (file.left_out > 0) text += ", " + std::to_string(file.left_out) + " more on images that are not evaluated";
    text += file.run.empty() ? "\n" : "; run " + file.run + "\n";
  }
  const std::string subset = name_of(report.options.subset);
  return text + "mode " + name_of(report.options.mode) + ", " +
         (report.options.subset == Subset::kAll ? "all regions" : "only " + subset) + ", " +
         name_of(report.options.mask) + " masks, at most " + std::to_string(report.options.max_detections) +
         " detections an image; - is not defined\n";
}

// Table 1 of the paper.
std::string segmentation_table(const FileReport& file, const Options& options) {
  const std::vector<Subset> subsets = subsets_of(options);
  std::string text = row("Segmentation", "AP", "AP50", "AP75", "AR1", "AR10", "AR100", "ARN", "ARP", "ARH");
  for (size_t s = 0; s < subsets.size(); ++s) {
    const BinFigures* bins = &file.bins[s * kBins];
    text += row(name_of(subsets[s]), defined(bins->ap), defined(bins->ap50), defined(bins->ap75), defined(bins->ar[0]),
                defined(bins->ar[1]), defined(bins->ar[2]), defined(bins[1].ar[2]), defined(bins[2].ar[2]),
                defined(bins[3].ar[2]));
  }
  return text;
}

// Table 3.
std::string bins_table(const FileReport& file) {
  const bool ar1000 = file.available.ar1000;
  std::string text = ar1000 ? row("By occlusion", "regions", "AP", "AR10", "AR100", "AR1000")
                            : row("By occlusion", "regions", "AP", "AR10", "AR100");
  for (size_t b = 0; b < kBins; ++b) {
    const BinFigures& bin = file.bins[b];
    text += ar1000 ? row(kBinRanges[b].name, bin.positives, defined(bin.ap), defined(bin.ar[1]), defined(bin.ar[2]),
                         defined(bin.ar[3]))
                   : row(kBinRanges[b].name, bin.positives, defined(bin.ap), defined(bin.ar[1]), defined(bin.ar[2]));
  }
  return text;
}

// Table 2.
std::string order_table(const FileReport& file) {
  if (!file.available.order)
    return "  Depth order is absent: the results have no level masks (sln run --levels writes them)\n";
  std::string text = row("Depth order", "pairs", "accuracy", "coverage", "decided", "paper");
  const auto line = [&](const char* name, int64_t pairs, int64_t decided, int64_t right_ones, int64_t by_paper) {
    text += row(name, pairs, ratio(right_ones, pairs), ratio(decided, pairs), ratio(right_ones, decided),
                ratio(by_paper, pairs));
  };
  const OrderCounts &all = file.sums.order, &slight = file.sums.slight;
  line("all pairs", all.pairs, all.decided, all.right, all.right_by_paper);
  line("overlap from 20 px", all.pairs - slight.pairs, all.decided - slight.decided, all.right - slight.right,
       all.right_by_paper - slight.right_by_paper);
  line("overlap under 20 px", slight.pairs, slight.decided, slight.right, slight.right_by_paper);
  return text;
}

std::string completion_table(const FileReport& file) {
  std::string text = row("Completion", "regions", "IoU");
  text += row("best IoU", file.sums.best.count, file.figures[kBestIou]);
  text += row("best IoU, occluded", file.sums.best_occluded.count, file.figures[kBestIouOccluded]);
  if (!file.available.hidden) return text + "  Hidden IoU is absent: the results have no visible masks\n";
  return text + row("hidden IoU, matched", file.sums.hidden.count, file.figures[kHiddenIou]);
}

std::string differences_table(const Report& report) {
  std::string text = "second minus first, with 95 % paired bootstrap intervals (" + std::to_string(report.resamples) +
                     " resamples of the images)\n" + row("", "first", "second", "difference", "low", "high");
  for (size_t f = 0; f < kFigures; ++f) {
    const std::optional<double>&first = report.files[0].figures[f], &second = report.files[1].figures[f];
    if (!first && !second) continue;
    const std::optional<Interval>& one = report.intervals[f];
    const auto part = [&](double Interval::*value) { return one ? std::optional((*one).*value) : std::nullopt; };
    std::string line =
        row(kFigureKeys[f], first, second, part(&Interval::difference), part(&Interval::low), part(&Interval::high));
    if (one && !one->shown()) line.insert(line.size() - 1, "  no difference shown");
    text += line;
  }
  return text;
}

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

std::string table_of(const Report& report) {
  std::string text = head(report);
  for (const FileReport& file : report.files) {
    text += "\n";
    if (report.files.size() > 1) text += file.file + "\n";
    text += segmentation_table(file, report.options) + "\n" + bins_table(file) + "\n" + order_table(file) + "\n" +
            completion_table(file);
  }
  if (report.files.size() > 1) text += "\n" + differences_table(report);
  return text;
}

std::string csv_header() {
  return "results,image_id,file_name,regions,occluded,detections,found50,false50,recall,best_iou,best_iou_occluded,"
         "hidden_iou,pairs,pairs_decided,pairs_right\n";
}

std::string csv_lines(const Dataset& dataset, const FileReport& report, const std::vector<ImageTally>& tallies,
                      const Options& options) {
  const Available& available = report.available;
  const size_t limit = options.max_detections == 1000 ? 3 : 2;  // of Cell::found: all the detections that count
  std::string text;
  for (size_t i = 0; i < tallies.size(); ++i) {
    const ImageTally& tally = tallies[i];
    const Cell& all = tally.cells[0];
    int64_t wrong = 0, found = 0;
    for (const MatchBits& bits : all.bits) wrong += (bits.matched & 1) == 0;
    for (const int64_t count : all.found[limit]) found += count;
    const auto mean = [](const Completion& completion) { return shortest(ratio(completion.sum, completion.count)); };
    const auto integer = [](int64_t value) { return std::to_string(value); };
    text += quoted(report.file) + "," + integer(dataset.images[i].id) + "," + quoted(dataset.images[i].file_name) +
            "," + integer(tally.regions) + "," + integer(tally.occluded) + "," + integer(tally.detections) + "," +
            integer(all.found[limit][0]) + "," + integer(wrong) + "," +
            shortest(ratio(found, kThresholds * all.positives)) + "," + mean(tally.best) + "," +
            mean(tally.best_occluded) + "," + (available.hidden ? mean(tally.hidden) : "") + ",";
    text += available.order ? integer(tally.order.pairs) + "," + integer(tally.order.decided) + "," +
                                  integer(tally.order.right) + "\n"
                            : ",,\n";
  }
  return text;
}

}  // namespace sln::evaluation
