// What went wrong, for people (stderr), tests (last_report) and the calls that follow (the sticky error).
#pragma once

#include <string>

#include "emulator/device.h"
#include "emulator/runtime_api.h"

namespace emulator {

bool same_place(Site a, Site b);
std::string text_of(Site site);           // conv.cu:12
std::string text_of(const uint3& place);  // (1,2,3)
std::string hex(unsigned value);
const char* name_of(Primitive primitive);

// Writes a broken rule down. The order is appended, so that it can be had again.
void report(const std::string& text);

// The error of a failed launch, which every later call returns: the context is lost.
void make_sticky(cudaError_t error);
cudaError_t sticky_error();

// The error that cudaGetLastError() returns next. Gives it back.
cudaError_t remember(cudaError_t error);
// The same, and reports why.
cudaError_t refuse(const std::string& what, cudaError_t error);

}  // namespace emulator
