// One or two evaluated files as tables for people, JSON and CSV for programs.
#pragma once

#include <string>

#include "evaluation/bootstrap.h"

namespace sln::evaluation {

struct BinFigures {
  int64_t positives = 0;  // regions of the bin, on the images that count
  double ap = -1, ap50 = -1, ap75 = -1;
  double ar[kLimits] = {-1, -1, -1, -1};  // the last one only with 1000 detections
};

struct FileReport {
  std::string file, sha256;
  std::string run;  // JSON: model and options of the run that made the file, "" where not known
  int64_t detections = 0, left_out = 0;
  Available available;
  Figures figures;
  std::vector<BinFigures> bins;  // (subsets, kBins)
  Sums sums;
};

struct Report {
  Options options;
  std::string author;  // "" for all of them
  std::string annotations, annotations_sha256;
  int64_t images = 0;
  std::vector<FileReport> files;                            // one or two
  std::array<std::optional<Interval>, kFigures> intervals;  // of two
  int resamples = 0;
};

// Evaluates one file; `run` and `sha256` are left to the caller.
FileReport report_of(const Results& results, const std::vector<ImageTally>& tallies, const Ranking& ranking,
                     const Options& options);

// SHA-256 of a file's bytes, as reports name it.
std::string file_sha256(const std::string& bytes);

std::string table_of(const Report& report);
std::string json_of(const Report& report);

// A line per image and file, images in id order. First line: the column names.
std::string csv_header();
std::string csv_lines(const Dataset& dataset, const FileReport& report, const std::vector<ImageTally>& tallies,
                      const Options& options);

}  // namespace sln::evaluation
