# What is built, and the language rules that hold for every file of the project.

option(LEADLINE_BUILD_TRAINER "Build data/, trainer/ and the program `leadline` (needs Kokkos, HDF5, Boost, stb)" ON)
option(LEADLINE_BUILD_SHARED_EDGE "Build libleadline.so too: the C functions alone, for ctypes, JNI and the like" OFF)
option(LEADLINE_BUILD_DEMOS "Build inference/demos (the program `leadline-depth`)" ON)
option(LEADLINE_BUILD_TESTS "Build tests/ (needs Catch2 3)" ${PROJECT_IS_TOP_LEVEL})
option(LEADLINE_INSTALL "Provide `cmake --install`" ${PROJECT_IS_TOP_LEVEL})
option(LEADLINE_WARNINGS_AS_ERRORS "Treat compiler warnings as errors" OFF)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release or RelWithDebInfo" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Generic") # without a system nobody loads shared libraries
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# The bit contract: a fused multiply-add happens only where it is written, and nobody re-associates sums.
# (Installed targets carry the same flag to users' programs, see LeadlineDependencies.cmake.)
set(LEADLINE_FLOAT_OPTIONS -ffp-contract=off -fno-fast-math)
add_compile_options("$<$<COMPILE_LANGUAGE:C,CXX>:${LEADLINE_FLOAT_OPTIONS}>")

# Includes are relative to the root: #include "shared/core/tensor.hpp"; the C API is <leadline/leadline.h>.
include_directories("${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/inference/include")

# Programs are easy to find: build/bin/leadline, build/bin/leadline-depth, build/lib/libleadline.a.
include(GNUInstallDirs)
if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
  find_program(LEADLINE_CCACHE ccache)
  if(LEADLINE_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER "${LEADLINE_CCACHE}")
    set(CMAKE_CXX_COMPILER_LAUNCHER "${LEADLINE_CCACHE}")
  endif()
endif()
