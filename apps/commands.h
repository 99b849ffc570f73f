// The subcommands. Each adds itself and its options to the application and leaves its exit status in *status when it
// ran.
#pragma once

#include <CLI/CLI.hpp>

namespace sln::apps {

void add_import(CLI::App* app, int* status);
void add_info(CLI::App* app, int* status);
void add_run(CLI::App* app, int* status);
void add_eval(CLI::App* app, int* status);
void add_bench(CLI::App* app, int* status);

}  // namespace sln::apps
