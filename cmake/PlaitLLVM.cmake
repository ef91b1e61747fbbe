# LLVM, twice: its shared library, `plait_llvm`, for tests that generate code themselves; and `plait_codegen_llvm`, for
# plait-codegen, whose processes live for tenths of a second: the archives of what is used where they are all there, which
# start and run a tenth faster, else the shared library. PLAIT_STATIC_LLVM=ON demands the archives (wheels: plait-codegen
# then needs nothing but the C library, and runs where no LLVM is installed), OFF never takes them.
set(PLAIT_STATIC_LLVM AUTO CACHE STRING "link LLVM and the C++ library into plait-codegen: ON, OFF, AUTO")
find_package(LLVM 22.1 CONFIG REQUIRED)
add_library(plait_llvm INTERFACE)
target_link_libraries(plait_llvm INTERFACE LLVM)
add_library(plait_codegen_llvm INTERFACE)

# LLVMSupport names the shared libraries of its own build: Z3, which nothing here reaches, and two that have archives.
find_library(plait_zlib NAMES libz.a)
find_library(plait_zstd NAMES libzstd.a)
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libstdc++.a OUTPUT_VARIABLE plait_stdcxx OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT IS_ABSOLUTE "${plait_stdcxx}") # the bare name: there is none
  set(plait_stdcxx "")
endif()
set(plait_static ${PLAIT_STATIC_LLVM})
foreach(library zlib zstd stdcxx)
  if(NOT plait_${library} AND PLAIT_STATIC_LLVM STREQUAL ON)
    message(FATAL_ERROR "PLAIT_STATIC_LLVM needs the archive of ${library} (Debian: zlib1g-dev, libzstd-dev, libstdc++-12-dev)")
  elseif(NOT plait_${library})
    set(plait_static OFF)
  endif()
endforeach()
if(plait_static STREQUAL AUTO AND (PLAIT_SANITIZE OR NOT TARGET LLVMNVPTXCodeGen))
  set(plait_static OFF)
endif()
if(NOT plait_static)
  target_link_libraries(plait_codegen_llvm INTERFACE plait_llvm)
  return()
endif()
set_target_properties(LLVMSupport PROPERTIES INTERFACE_LINK_LIBRARIES "rt;dl;m;${plait_zlib};${plait_zstd};LLVMDemangle")
llvm_map_components_to_libnames(archives X86 NVPTX Passes)
target_link_libraries(plait_codegen_llvm INTERFACE
  ${archives} -static-libgcc -Wl,--gc-sections -Wl,-Bstatic -lstdc++ -Wl,-Bdynamic)
