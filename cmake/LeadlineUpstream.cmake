# Releases of upstream projects, pinned by version and hash: the one place that names them.
#
# Included: defines LEADLINE_UPSTREAM_<name>_{URL,SHA256}; a copy that dependencies.sh downloaded goes before the network.
# As a script (cmake -D DOWNLOADS=folder -P LeadlineUpstream.cmake): downloads them there, or fails within a minute.

set(LEADLINE_UPSTREAM_kokkos_URL https://github.com/kokkos/kokkos/releases/download/5.0.2/kokkos-5.0.2.tar.gz)
set(LEADLINE_UPSTREAM_kokkos_SHA256 188817bb452ca805ee8701f1c5adbbb4fb83dc8d1c50624566a18a719ba0fa5e)

set(LEADLINE_UPSTREAM_catch2_URL https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz)
set(LEADLINE_UPSTREAM_catch2_SHA256 c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c)

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  foreach(_name kokkos catch2)
    set(_file "${DOWNLOADS}/${_name}.tar.gz")
    file(DOWNLOAD "${LEADLINE_UPSTREAM_${_name}_URL}" "${_file}" TIMEOUT 30 INACTIVITY_TIMEOUT 10 STATUS _status)
    list(GET _status 0 _code)
    if(_code EQUAL 0)
      file(SHA256 "${_file}" _hash)
      if(NOT _hash STREQUAL LEADLINE_UPSTREAM_${_name}_SHA256)
        set(_code 1)
        set(_status "the hash is ${_hash}, not the expected ${LEADLINE_UPSTREAM_${_name}_SHA256}")
      endif()
    endif()
    if(NOT _code EQUAL 0)
      file(REMOVE "${_file}")
      message(STATUS "${LEADLINE_UPSTREAM_${_name}_URL}: ${_status}")
      message(FATAL_ERROR "not reached")
    endif()
    file(TOUCH "${DOWNLOADS}/${_name}.ok")
  endforeach()
else()
  foreach(_name kokkos catch2)
    set(_file "${PROJECT_SOURCE_DIR}/build/downloads/${_name}.tar.gz")
    if(EXISTS "${_file}")
      set(LEADLINE_UPSTREAM_${_name}_URL "${_file}")
    endif()
  endforeach()
endif()
