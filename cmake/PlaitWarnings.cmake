# The warnings that every C file of the project is compiled with.
function(plait_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
    -Wmissing-prototypes -Wundef -Wvla -Wwrite-strings -Wswitch-enum -Werror)
  target_compile_definitions(${target} PRIVATE _POSIX_C_SOURCE=200809L)
  if(PLAIT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()
