# Kokkos (>= 4.6) for the trainer: an installed one, else upstream's release, pinned by version and hash.
#
# -DLEADLINE_KOKKOS=auto|installed|fetch; Kokkos_DIR, Kokkos_ROOT or CMAKE_PREFIX_PATH say where an installed one is.
# A fetched Kokkos takes the usual Kokkos_ENABLE_* and Kokkos_ARCH_* options (presets `cuda` and `hip` set them).

set(LEADLINE_KOKKOS auto CACHE STRING "Where Kokkos comes from: auto, installed or fetch")
set_property(CACHE LEADLINE_KOKKOS PROPERTY STRINGS auto installed fetch)
set(_leadline_kokkos_version 5.0.2)
set(_leadline_kokkos_sha256 188817bb452ca805ee8701f1c5adbbb4fb83dc8d1c50624566a18a719ba0fa5e)

if(NOT TARGET Kokkos::kokkos AND NOT LEADLINE_KOKKOS STREQUAL "fetch")
  find_package(Kokkos QUIET)
  if(Kokkos_FOUND AND Kokkos_VERSION VERSION_LESS 4.6)
    message(STATUS "Kokkos ${Kokkos_VERSION} in ${Kokkos_DIR} is older than 4.6")
    message(FATAL_ERROR "Leadline needs Kokkos 4.6 or newer. Point Kokkos_ROOT at one, or configure with "
                        "-DLEADLINE_KOKKOS=fetch, or let `bash cmake/dependencies.sh` see to it.")
  endif()
endif()

if(NOT TARGET Kokkos::kokkos)
  if(LEADLINE_KOKKOS STREQUAL "installed")
    message(FATAL_ERROR "Kokkos was not found. `bash cmake/dependencies.sh` installs it, or set Kokkos_ROOT.")
  endif()
  message(STATUS "No installed Kokkos: fetching release ${_leadline_kokkos_version}")
  if(NOT Kokkos_ENABLE_CUDA AND NOT Kokkos_ENABLE_HIP)
    option(Kokkos_ENABLE_OPENMP "" ON)
  endif()
  option(Kokkos_ENABLE_SERIAL "" ON)
  include(FetchContent)
  FetchContent_Declare(
    Kokkos
    URL https://github.com/kokkos/kokkos/releases/download/${_leadline_kokkos_version}/kokkos-${_leadline_kokkos_version}.tar.gz
    URL_HASH SHA256=${_leadline_kokkos_sha256})
  FetchContent_MakeAvailable(Kokkos)
endif()

add_library(leadline_kokkos INTERFACE)
target_link_libraries(leadline_kokkos INTERFACE Kokkos::kokkos)
target_compile_definitions(leadline_kokkos INTERFACE LEADLINE_WITH_KOKKOS=1)
target_compile_options(leadline_kokkos INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>")
target_compile_features(leadline_kokkos INTERFACE cxx_std_20)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12)
  # Kokkos' reference counts make GCC 12+ see uses after free that are none.
  target_compile_options(leadline_kokkos INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wno-use-after-free>")
endif()

# Kokkos Kernels serves GEMM-shaped work on GPUs; its headers are slow to compile, so few files link it.
list(APPEND CMAKE_PREFIX_PATH /opt/kokkos-kernels) # where cmake/debian-kokkos.sh puts them
find_package(KokkosKernels QUIET)
if(KokkosKernels_FOUND)
  add_library(leadline_kokkos_kernels INTERFACE)
  target_link_libraries(leadline_kokkos_kernels INTERFACE leadline_kokkos Kokkos::kokkoskernels)
  target_compile_definitions(leadline_kokkos_kernels INTERFACE LEADLINE_WITH_KOKKOS_KERNELS=1)
endif()
