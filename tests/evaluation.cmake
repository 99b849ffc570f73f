# The figures of the committed scenes, once more by the transcript; and the program that check_pycocotools.py asks for masks.
add_executable(evaluation_rasterise evaluation/rasterise.cpp)
target_link_libraries(evaluation_rasterise PRIVATE sln_evaluation sln_engine)
add_test(NAME evaluation_transcript_test COMMAND ${SLN_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/evaluation/transcript_test.py)
set_tests_properties(evaluation_transcript_test PROPERTIES LABELS python)
