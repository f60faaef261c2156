# Kokkos (>= 4.6) for the trainer: an installed one, else upstream's release, pinned by version and hash.
#
# -DLEADLINE_KOKKOS=auto|installed|fetch; Kokkos_DIR, Kokkos_ROOT or CMAKE_PREFIX_PATH say where an installed one is.
# A fetched Kokkos takes the usual Kokkos_ENABLE_* and Kokkos_ARCH_* options (presets `cuda` and `hip` set them).

set(LEADLINE_KOKKOS auto CACHE STRING "Where Kokkos comes from: auto, installed or fetch")
set_property(CACHE LEADLINE_KOKKOS PROPERTY STRINGS auto installed fetch)

if(NOT TARGET Kokkos::kokkos AND NOT LEADLINE_KOKKOS STREQUAL "fetch")
  find_package(Kokkos 4.6 QUIET) # any newer one will do, 5.x too
endif()

if(NOT TARGET Kokkos::kokkos)
  if(LEADLINE_KOKKOS STREQUAL "installed")
    message(FATAL_ERROR "Kokkos 4.6 or newer was not found. `bash cmake/dependencies.sh` installs it, or set Kokkos_ROOT.")
  endif()
  message(STATUS "No installed Kokkos: taking ${LEADLINE_UPSTREAM_kokkos_URL}")
  if(NOT Kokkos_ENABLE_CUDA AND NOT Kokkos_ENABLE_HIP)
    option(Kokkos_ENABLE_OPENMP "" ON)
  endif()
  option(Kokkos_ENABLE_SERIAL "" ON)
  FetchContent_Declare(Kokkos URL "${LEADLINE_UPSTREAM_kokkos_URL}"
                              URL_HASH SHA256=${LEADLINE_UPSTREAM_kokkos_SHA256})
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
