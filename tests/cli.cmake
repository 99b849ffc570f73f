# Tests of the built command line, in Python's standard library, NumPy and Pillow.
foreach(name cli_errors_test cli_eval_test cli_networks_test cli_run_test)
  add_test(NAME ${name} COMMAND ${SLN_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/cli/${name}.py $<TARGET_FILE:sln_cli>)
  set_tests_properties(${name} PROPERTIES LABELS fast TIMEOUT 1200)
endforeach()

# The shipped model takes sanitizers too long for what they could find in it.
add_test(NAME demo_model_test COMMAND ${SLN_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/cli/demo_model_test.py $<TARGET_FILE:sln_cli>)
set_tests_properties(demo_model_test PROPERTIES LABELS slow TIMEOUT 1200)

# It compares the build with itself; libsln.so is loaded into Python, which a sanitizer's runtime does not bear.
add_test(NAME compare_builds_test COMMAND ${SLN_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/cli/compare_builds_test.py $<TARGET_FILE:sln_cli>)
set_tests_properties(compare_builds_test PROPERTIES LABELS python TIMEOUT 1200)
