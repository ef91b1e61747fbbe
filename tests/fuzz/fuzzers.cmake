# The fuzz targets: replay_NAME runs one on files (the finds of the past, and other inputs, are ordinary tests);
# fuzz_NAME runs it under libFuzzer, and is built by build_fuzzers.sh only.
function(fuzz_target name)
  add_executable(replay_${name} replay.c fuzz_${name}.c)
  plait_warnings(replay_${name})
  target_link_libraries(replay_${name} PRIVATE ${ARGN} plait_ir)
  if(PLAIT_SANITIZE AND PLAIT_FUZZ)
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

# The library whose C entry is fuzzed, and its objects: under libFuzzer they are linked with a runtime that is instrumented.
set(folder ${CMAKE_CURRENT_BINARY_DIR}/mixture)
file(MAKE_DIRECTORY ${folder})
add_custom_command(OUTPUT ${folder}/libmixture.so ${folder}/cpu.o ${folder}/package.o
  COMMAND plait build ${CMAKE_CURRENT_SOURCE_DIR}/library.plait -D d=3,5 --target cpu --no-cache -o ${folder}/libmixture.so
          --keep-intermediates ${folder}
  DEPENDS plait plait-codegen plait_runtime library.plait VERBATIM)
add_custom_target(mixture_objects DEPENDS ${folder}/libmixture.so)
add_library(mixture STATIC mixture.c)
plait_warnings(mixture)
target_link_libraries(mixture PUBLIC plait_ir)
fuzz_target(library mixture)
add_executable(misuse misuse.c)
plait_warnings(misuse)
target_link_libraries(misuse PRIVATE mixture)
foreach(name replay_library misuse)
  target_link_libraries(${name} PRIVATE ${folder}/libmixture.so)
  add_dependencies(${name} mixture_objects)
endforeach()
if(TARGET fuzz_library)
  target_link_libraries(fuzz_library PRIVATE ${folder}/package.o ${folder}/cpu.o plait_runtime_for_tests)
  add_dependencies(fuzz_library mixture_objects)
endif()

# What replay_NAME is fed beside its regressions.
file(GLOB examples CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/examples/*/*.plait)
file(GLOB_RECURSE texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*.sir ${CMAKE_SOURCE_DIR}/tests/*.tir)
add_test(NAME fuzz.source COMMAND replay_source ${CMAKE_CURRENT_SOURCE_DIR}/regressions/source ${examples})
add_test(NAME fuzz.ir COMMAND replay_ir ${CMAKE_CURRENT_SOURCE_DIR}/regressions/ir ${texts})
add_test(NAME fuzz.npy COMMAND replay_npy --random 2000 ${CMAKE_CURRENT_SOURCE_DIR}/regressions/npy)
add_test(NAME fuzz.library COMMAND replay_library --random 20000 ${CMAKE_CURRENT_SOURCE_DIR}/regressions/library)
add_test(NAME fuzz.misuse COMMAND misuse)
set_tests_properties(fuzz.source fuzz.ir fuzz.npy fuzz.library fuzz.misuse PROPERTIES LABELS quick TIMEOUT 120)
