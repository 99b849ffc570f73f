/* The example at the top of sln.h, compiled as C: what an application writes. Usage: api_example_test MODEL */
#include <stdio.h>
#include <stdlib.h>

#include "engine/sln.h"

int main(int argc, char** argv) {
  const int32_t width = 40;
  const int32_t height = 30;
  int failed = 1;
  sln_model* model = NULL;
  sln_options* options = NULL;
  sln_engine* engine = NULL;
  sln_result* result = NULL;
  unsigned char* pixels = calloc((size_t)width * (size_t)height, 3);
  if (argc != 2 || pixels == NULL) return 2;
  if (sln_model_open(argv[1], &model) || sln_options_create(&options) || sln_options_set_int(options, "threads", 2) ||
      sln_options_set_float(options, "score_threshold", 0) || sln_engine_create(model, options, &engine) ||
      sln_result_create(&result) || sln_engine_run(engine, pixels, width, height, 3 * (ptrdiff_t)width, result)) {
    fprintf(stderr, "%s\n", sln_last_error());
  } else {
    failed = sln_result_object_count(result) == 0;
    for (int32_t i = 0; i < sln_result_object_count(result); ++i) {
      sln_object object = {0};
      object.struct_size = sizeof object;
      if (sln_result_get_object(result, i, &object)) failed = 1;
      printf("score %.3f amodal area %lld\n", object.score, (long long)object.amodal_area);
    }
  }
  sln_result_destroy(result);
  sln_engine_destroy(engine);
  sln_options_destroy(options);
  sln_model_destroy(model);
  free(pixels);
  return failed;
}
