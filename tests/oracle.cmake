# The engine against PyTorch and NumPy, on the tiny network.
add_test(NAME tiny_oracle_test COMMAND ${SLN_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/oracle/tiny_oracle_test.py)
set_tests_properties(tiny_oracle_test PROPERTIES LABELS python ENVIRONMENT "SLN_CLI=$<TARGET_FILE:sln_cli>")
