# plait_add_operator(NAME FILE [TARGETS target...] [DEFINES axis=n[,n...]...])
#
# Compiles FILE, a .plait program, into the shared library libNAME.so and the header NAME.h, whenever FILE or the
# compiler changes, and makes the library target NAME of them:
#
#     find_package(Plait REQUIRED)
#     plait_add_operator(retnet retnet.plait TARGETS cpu sm_90a DEFINES d=64,128)
#     target_link_libraries(host PRIVATE retnet)          # #include "retnet.h"
#
# TARGETS  what to compile for, as `plait build --target` takes it; all of them when left out
# DEFINES  static sizes, as `plait build -D` takes them
# The library lies in ${CMAKE_CURRENT_BINARY_DIR}; install it with install(IMPORTED_RUNTIME_ARTIFACTS NAME ...).
function(plait_add_operator name file)
  cmake_parse_arguments(PARSE_ARGV 2 operator "" "" "TARGETS;DEFINES")
  if(operator_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "plait_add_operator(${name}): what is `${operator_UNPARSED_ARGUMENTS}`? "
      "Expected: plait_add_operator(NAME FILE [TARGETS target...] [DEFINES axis=n[,n...]...])")
  endif()
  get_filename_component(source "${file}" ABSOLUTE)
  if(NOT EXISTS "${source}")
    message(FATAL_ERROR "plait_add_operator(${name}): no file ${source}")
  endif()
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${name}.plait-library")
  set(library "${folder}/lib${name}.so")
  set(header "${folder}/${name}.h")
  file(MAKE_DIRECTORY "${folder}")

  set(options)
  if(operator_TARGETS)
    string(REPLACE ";" "," targets "${operator_TARGETS}")
    list(APPEND options --target "${targets}")
  endif()
  foreach(define IN LISTS operator_DEFINES)
    list(APPEND options -D "${define}")
  endforeach()
  add_custom_command(OUTPUT "${library}" "${header}"
    COMMAND Plait::plait build "${source}" -o "${library}" --header "${header}" ${options}
    DEPENDS "${source}" Plait::plait
    COMMENT "Compiling operators of ${file}" VERBATIM)
  add_custom_target(${name}_library DEPENDS "${library}" "${header}")

  add_library(${name} SHARED IMPORTED GLOBAL)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION "${library}")
  target_include_directories(${name} INTERFACE "${folder}" "${Plait_INCLUDE_DIR}")
  add_dependencies(${name} ${name}_library)
endfunction()
