# cmake --install: the edge library (C and C++), its program, and where it was built the trainer as a library.
#
#   find_package(Leadline)                        leadline::leadline        libleadline.a, plain C
#   find_package(Leadline COMPONENTS trainer)     leadline::trainer too     networks, losses, callbacks of one's own
#                                                 leadline::leadline_shared where LEADLINE_BUILD_SHARED_EDGE is on
#   pkg-config --cflags --libs leadline           the edge library without CMake
#
# The edge headers go to include/leadline. The trainer's includes are relative to the source root ("trainer/loss.hpp"),
# so they get a folder of their own, include/leadline-trainer.
include(CMakePackageConfigHelpers)

set(_config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Leadline")
set(_trainer_include "${CMAKE_INSTALL_INCLUDEDIR}/leadline-trainer")

# What a target gives to those who link it, in the build tree and once installed.
function(leadline_public_includes target build_dir install_dir)
  set_property(TARGET ${target} PROPERTY INTERFACE_INCLUDE_DIRECTORIES
                                         "$<BUILD_INTERFACE:${build_dir}>" "$<INSTALL_INTERFACE:${install_dir}>")
endfunction()

if(TARGET leadline_edge)
  leadline_public_includes(leadline_edge "${PROJECT_SOURCE_DIR}/inference/include" "${CMAKE_INSTALL_INCLUDEDIR}")
  set_target_properties(leadline_edge PROPERTIES EXPORT_NAME leadline)
  install(TARGETS leadline_edge EXPORT LeadlineEdgeTargets COMPONENT edge)
  if(TARGET leadline_edge_shared)
    set_target_properties(leadline_edge_shared PROPERTIES EXPORT_NAME leadline_shared)
    install(TARGETS leadline_edge_shared EXPORT LeadlineEdgeTargets COMPONENT edge)
  endif()
  install(DIRECTORY inference/include/leadline DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT edge
          FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
  install(EXPORT LeadlineEdgeTargets NAMESPACE leadline:: DESTINATION "${_config_dir}" COMPONENT edge)

  # The folders in leadline.pc are relative to the file itself: an installed tree can be moved.
  file(RELATIVE_PATH LEADLINE_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
  configure_file(cmake/leadline.pc.in "${PROJECT_BINARY_DIR}/leadline.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/leadline.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT edge)
endif()

if(TARGET leadline_trainer)
  set(_trainer_parts kokkos stb image_io training_kernels model_writer data trainer)
  foreach(_part IN LISTS _trainer_parts)
    set_target_properties(leadline_${_part} PROPERTIES EXPORT_NAME ${_part})
  endforeach()
  leadline_public_includes(leadline_image_io "${PROJECT_SOURCE_DIR}" "${_trainer_include}") # reaches all that link it
  leadline_public_includes(leadline_trainer "${PROJECT_SOURCE_DIR}" "${_trainer_include}")
  target_compile_features(leadline_trainer PUBLIC cxx_std_20)
  list(TRANSFORM _trainer_parts PREPEND leadline_)
  install(TARGETS ${_trainer_parts} EXPORT LeadlineTrainerTargets COMPONENT trainer)
  foreach(_room shared data trainer)
    install(DIRECTORY ${_room} DESTINATION "${_trainer_include}" COMPONENT trainer FILES_MATCHING PATTERN "*.hpp"
            PATTERN "samples" EXCLUDE PATTERN "docs" EXCLUDE PATTERN "configs" EXCLUDE)
  endforeach()
  install(EXPORT LeadlineTrainerTargets NAMESPACE leadline:: DESTINATION "${_config_dir}" COMPONENT trainer)
endif()

foreach(_program leadline leadline-depth)
  if(TARGET ${_program})
    install(TARGETS ${_program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()

configure_package_config_file(cmake/LeadlineConfig.cmake.in "${PROJECT_BINARY_DIR}/LeadlineConfig.cmake"
                              INSTALL_DESTINATION "${_config_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/LeadlineConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/LeadlineConfig.cmake" "${PROJECT_BINARY_DIR}/LeadlineConfigVersion.cmake"
        DESTINATION "${_config_dir}" COMPONENT edge)
install(FILES LICENSE inference/docs/THIRD_PARTY.md DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT edge)
