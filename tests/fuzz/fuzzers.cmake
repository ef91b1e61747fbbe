# The fuzz targets: replay_NAME runs one on files (the finds of the past, and other inputs, are ordinary tests);
# fuzz_NAME runs it under libFuzzer, and is built by build_fuzzers.sh only.
function(fuzz_target name)
  add_executable(replay_${name} replay.c fuzz_${name}.c)
  plait_warnings(replay_${name})
  target_link_libraries(replay_${name} PRIVATE ${ARGN} plait_ir)
  if(PLAIT_SANITIZE AND CMAKE_C_COMPILER_ID MATCHES Clang)
    add_executable(fuzz_${name} EXCLUDE_FROM_ALL fuzz_${name}.c $<$<IN_LIST:${name},source;ir>:mutate.c>)
    plait_warnings(fuzz_${name})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz_${name} PRIVATE ${ARGN})
  endif()
endfunction()

add_library(fuzz_common STATIC fuzz.c)
plait_warnings(fuzz_common)
target_link_libraries(fuzz_common PUBLIC plait_passes plait_frontend)
fuzz_target(source fuzz_common)
fuzz_target(ir fuzz_common)
fuzz_target(npy plait_driver_base)

# What replay_NAME is fed beside its regressions.
file(GLOB examples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*/*.plait)
file(GLOB_RECURSE texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*.sir ${CMAKE_SOURCE_DIR}/tests/*.tir)
add_test(NAME fuzz.source COMMAND replay_source ${CMAKE_CURRENT_SOURCE_DIR}/regressions/source ${examples})
add_test(NAME fuzz.ir COMMAND replay_ir ${CMAKE_CURRENT_SOURCE_DIR}/regressions/ir ${texts})
add_test(NAME fuzz.npy COMMAND replay_npy --random 2000 ${CMAKE_CURRENT_SOURCE_DIR}/regressions/npy)
set_tests_properties(fuzz.source fuzz.ir fuzz.npy PROPERTIES LABELS quick TIMEOUT 120)
