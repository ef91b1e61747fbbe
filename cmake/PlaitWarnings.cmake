# The warnings that every C file of the project is compiled with, and the sanitizers when they are asked for:
# PLAIT_SANITIZE, and PLAIT_FUZZ (clang) for the fuzz targets of tests/fuzz. PLAIN keeps the sanitizers out of a target.
function(plait_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
    -Wmissing-prototypes -Wundef -Wvla -Wwrite-strings -Wswitch-enum -Werror)
  target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
  if(PLAIT_SANITIZE AND NOT "PLAIN" IN_LIST ARGN)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
      $<$<BOOL:${PLAIT_FUZZ}>:-fsanitize=fuzzer-no-link>)
    target_compile_definitions(${target} PRIVATE PLAIT_SANITIZED)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()
