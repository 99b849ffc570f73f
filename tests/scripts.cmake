# Tests that run once more under each instruction set, as <test>_<isa>. One that the machine lacks is reported as skipped.
set(SLN_ISA_TESTS
  isa_test
  buffers_test
  decode_test
  depthwise_test
  depth_order_test
  mask_bits_test
  mask_planes_test
  paste_test
  pool_test
  proposals_test
  resize_test
  roi_align_test
  semdist_test
  upsample_sum_test
)
add_executable(run_with_isa run_with_isa.cpp)
target_link_libraries(run_with_isa PRIVATE sln_flags sln_kernels)
foreach(name ${SLN_ISA_TESTS})
  if(NOT TARGET ${name})
    message(FATAL_ERROR "SLN_ISA_TESTS names ${name}, but there is no tests/${name}.cpp")
  endif()
  foreach(isa avx512 avx2 sse4)
    add_test(NAME ${name}_${isa} COMMAND run_with_isa ${isa} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}_${isa} PROPERTIES LABELS fast SKIP_RETURN_CODE 77)
  endforeach()
endforeach()
