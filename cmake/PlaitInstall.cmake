# What `cmake --install` puts where. `plait` looks for its code generator in ../libexec/plait and for the runtime
# archive in ../lib/plait (driver/tools.c), so the installed tree may be moved as a whole.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Plait)

install(TARGETS plait RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS plait-codegen RUNTIME DESTINATION libexec/plait)
install(TARGETS plait_runtime ARCHIVE DESTINATION lib/plait)
install(FILES ${CMAKE_SOURCE_DIR}/runtime/plait.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/plait)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/PlaitConfig.cmake.in ${CMAKE_BINARY_DIR}/PlaitConfig.cmake
  INSTALL_DESTINATION ${package_folder}
  PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/PlaitConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/PlaitConfig.cmake ${CMAKE_BINARY_DIR}/PlaitConfigVersion.cmake
  ${CMAKE_CURRENT_LIST_DIR}/PlaitAddOperator.cmake DESTINATION ${package_folder})
