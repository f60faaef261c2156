# add_leadline_test(NAME data.pairs SOURCES pairs.cpp [LINK leadline::data ...]
#                   [KOKKOS]            own main() with a Kokkos::ScopeGuard; links Kokkos
#                   [THREADS 1 2 ...]   the same binary once for each OMP_NUM_THREADS, as NAME.t1, NAME.t2
#                   [ENV A=B ...] [LABELS ...] [TIMEOUT seconds]
#                   [THREADS_TAG "[tag]"])   all that the thread sanitizer runs of it: what has no threads is slow there
#                                            for nothing
#
# A test is a Catch2 program called test_<name with _>. Golden tests read the arrays in $LEADLINE_GOLDEN_DIR (default:
# tests/golden), which is the caller's to set. Its environment also has LEADLINE_SAMPLES_DIR (data/samples),
# LEADLINE_SOURCE_DIR, LEADLINE_BIN_DIR (programs that were built) and LEADLINE_TEST_THREADS (threads to use).
function(add_leadline_test)
  cmake_parse_arguments(arg "KOKKOS" "NAME;TIMEOUT;THREADS_TAG" "SOURCES;LINK;THREADS;ENV;LABELS" ${ARGN})
  if(NOT arg_NAME OR NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "add_leadline_test: NAME and SOURCES are needed; not understood: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()

  string(REPLACE "." "_" target "test_${arg_NAME}")
  add_executable(${target} ${arg_SOURCES})
  if(arg_KOKKOS)
    target_link_libraries(${target} PRIVATE ${arg_LINK} leadline_kokkos_main)
  else()
    target_link_libraries(${target} PRIVATE ${arg_LINK} Catch2::Catch2WithMain)
  endif()
  if("pool" IN_LIST arg_LABELS)
    add_dependencies(pool_tests ${target}) # what the thread sanitizer's build needs, and nothing else
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/bin")

  set(environment
      "LEADLINE_SAMPLES_DIR=${PROJECT_SOURCE_DIR}/data/samples"
      "LEADLINE_SOURCE_DIR=${PROJECT_SOURCE_DIR}"
      "LEADLINE_BIN_DIR=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}"
      "OMP_PROC_BIND=false" "OMP_WAIT_POLICY=passive" # tests share the cores: waiting threads don't spin
      # a plain build knows every leak; Kokkos, OpenMP and HDF5 keep some memory until the process ends
      "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0"
      "UBSAN_OPTIONS=print_stacktrace=1"
      ${arg_ENV})

  set(filter "")
  if(LEADLINE_SANITIZE STREQUAL "thread")
    set(filter ${arg_THREADS_TAG})
  endif()

  set(threads ${arg_THREADS})
  if(NOT threads)
    set(threads default)
  endif()
  foreach(count IN LISTS threads)
    if(count STREQUAL "default")
      set(name ${arg_NAME})
      set(extra "")
      set(processors 1)
    else()
      set(name ${arg_NAME}.t${count})
      set(extra "OMP_NUM_THREADS=${count}" "LEADLINE_TEST_THREADS=${count}")
      set(processors ${count})
    endif()
    add_test(NAME ${name} COMMAND ${target} ${filter})
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${environment};${extra}" TIMEOUT ${arg_TIMEOUT}
                                            PROCESSORS ${processors} LABELS "${arg_LABELS}")
  endforeach()
endfunction()
