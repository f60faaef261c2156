# Every third-party library of the project is found here, and nowhere else.
#
#   leadline_stb     INTERFACE  stb's single-file headers; defines LEADLINE_HAVE_STB=1 where they are found
#   leadline_kokkos  INTERFACE  Kokkos, LEADLINE_WITH_KOKKOS=1 (a usage requirement of the trainer's side only)
#   leadline_kokkos_kernels     INTERFACE, only where Kokkos Kernels is installed; LEADLINE_WITH_KOKKOS_KERNELS=1
#   hdf5::hdf5, Boost::program_options, Catch2::Catch2, Catch2::Catch2WithMain as their packages name them
#
# An edge build (LEADLINE_BUILD_TRAINER=OFF) needs nothing but a compiler; stb is used there if it is installed.

include(FetchContent)
include(LeadlineUpstream) # versions and hashes of what is fetched if it isn't installed

# stb: headers in stb/ (Debian, Fedora, vcpkg) or in the include folder itself
add_library(leadline_stb INTERFACE)
find_path(LEADLINE_STB_INCLUDE_DIR stb_image.h PATH_SUFFIXES stb)
mark_as_advanced(LEADLINE_STB_INCLUDE_DIR)
if(LEADLINE_STB_INCLUDE_DIR)
  target_include_directories(leadline_stb SYSTEM INTERFACE "$<BUILD_INTERFACE:${LEADLINE_STB_INCLUDE_DIR}>")
  target_compile_definitions(leadline_stb INTERFACE LEADLINE_HAVE_STB=1)
endif()

# Threads are used only by programs and by the optional pool; found without a C compiler being enabled.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads)

if(LEADLINE_BUILD_TRAINER)
  if(NOT LEADLINE_STB_INCLUDE_DIR)
    message(FATAL_ERROR "stb_image.h was not found (Debian: libstb-dev). `bash cmake/dependencies.sh` installs what "
                        "is missing; -DLEADLINE_BUILD_TRAINER=OFF builds the edge library alone, which needs none.")
  endif()

  enable_language(C) # FindHDF5 asks the C compiler
  find_package(HDF5 REQUIRED COMPONENTS C)
  find_package(Boost 1.66 REQUIRED COMPONENTS program_options)
  include(LeadlineKokkos)
endif()

if(LEADLINE_BUILD_TESTS)
  find_package(Catch2 3 QUIET)
  if(NOT Catch2_FOUND AND NOT LEADLINE_BUILD_TRAINER AND NOT EXISTS "${PROJECT_SOURCE_DIR}/build/downloads/catch2.tar.gz")
    message(STATUS "Catch2 3 was not found: tests are left out of this edge build")
    set(LEADLINE_BUILD_TESTS OFF)
  elseif(NOT Catch2_FOUND)
    message(STATUS "No installed Catch2 3: taking ${LEADLINE_UPSTREAM_catch2_URL}")
    FetchContent_Declare(Catch2 URL "${LEADLINE_UPSTREAM_catch2_URL}"
                                URL_HASH SHA256=${LEADLINE_UPSTREAM_catch2_SHA256})
    FetchContent_MakeAvailable(Catch2)
  endif()
endif()
