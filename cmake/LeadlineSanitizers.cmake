# -DLEADLINE_SANITIZE=address,undefined | thread
# Thread sanitizer is meant for the HostExec pool only: OpenMP's run-time isn't instrumented and would be all noise.
set(LEADLINE_SANITIZE "" CACHE STRING "Sanitizers for all targets: empty, `address,undefined` or `thread`")
set_property(CACHE LEADLINE_SANITIZE PROPERTY STRINGS "" "address,undefined" "thread")

if(LEADLINE_SANITIZE)
  if(NOT LEADLINE_SANITIZE MATCHES "^(address|undefined|address,undefined|thread)$")
    message(FATAL_ERROR "LEADLINE_SANITIZE is \"${LEADLINE_SANITIZE}\"; it must be empty, \"address\", \"undefined\", "
                        "\"address,undefined\" or \"thread\".")
  endif()
  set(_flags -fsanitize=${LEADLINE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_compile_options(${_flags})
  add_link_options(${_flags})
endif()
