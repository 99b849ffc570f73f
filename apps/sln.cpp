// The command line: sln import | info | run | eval | bench.
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>

#include "apps/commands.h"
#include "apps/failure.h"
#include "apps/progress.h"
#include "engine/sln.h"

namespace {

using namespace sln::apps;

int parse_and_run(CLI::App* app, int argc, char** argv, const int* status) {
  try {
    app->parse(argc, argv);
    return *status;
  } catch (const CLI::Success& request) {  // --help, --version
    return app->exit(request);
  } catch (const CLI::ParseError& error) {
    print_error(std::string(error.what()) + " (see sln --help)");
  } catch (const std::bad_alloc&) {
    print_error("expected more memory, found none left");
  } catch (const std::exception& error) {
    print_error(error.what());
  }
  return kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  // A file that grows over RLIMIT_FSIZE shall be a failed write, which is reported, and not a killed process.
  std::signal(SIGXFSZ, SIG_IGN);
  CLI::App app("Amodal instance segmentation with the Semantics Layering Network.", "sln");
  app.set_version_flag("--version", sln_version());
  app.require_subcommand(1);
  int status = kExitFailed;
  add_import(&app, &status);
  add_info(&app, &status);
  add_run(&app, &status);
  add_eval(&app, &status);
  add_bench(&app, &status);
  app.footer(
      "Exit status: 0 done, 1 wrong usage or nothing could be done, 2 some images failed and the others are done.");
  status = parse_and_run(&app, argc, argv, &status);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    print_error("standard output: expected to write all of it, found an error");
    if (status == kExitDone) status = kExitFailed;
  }
  return status;
}
