# LLVM as the target `plait_llvm`: its shared library, or (PLAIT_STATIC_LLVM, what wheels are built with) the archives of
# what is used, so that plait-codegen needs nothing but the C library and runs where no LLVM is installed.
option(PLAIT_STATIC_LLVM "link LLVM and the C++ library into plait-codegen" OFF)
find_package(LLVM 22.1 CONFIG REQUIRED)
add_library(plait_llvm INTERFACE)
if(NOT PLAIT_STATIC_LLVM)
  target_link_libraries(plait_llvm INTERFACE LLVM)
  return()
endif()

# LLVMSupport names the shared libraries of its own build: Z3, which nothing here reaches, and two that have archives.
find_library(plait_zlib NAMES libz.a)
find_library(plait_zstd NAMES libzstd.a)
foreach(library zlib zstd)
  if(NOT plait_${library})
    message(FATAL_ERROR "PLAIT_STATIC_LLVM needs the archive of ${library} (Debian: zlib1g-dev, libzstd-dev)")
  endif()
endforeach()
set_target_properties(LLVMSupport PROPERTIES INTERFACE_LINK_LIBRARIES "rt;dl;m;${plait_zlib};${plait_zstd};LLVMDemangle")
llvm_map_components_to_libnames(archives X86 NVPTX Passes)
target_link_libraries(plait_llvm INTERFACE ${archives} -static-libgcc -Wl,--gc-sections -Wl,-Bstatic -lstdc++ -Wl,-Bdynamic)
