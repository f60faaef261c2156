# One set of warnings for every file; only when Leadline is the top project, so that users keep their own.
if(PROJECT_IS_TOP_LEVEL)
  add_compile_options(-Wall -Wextra -Wshadow -Wpedantic)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>) # GCC 12 sees overlaps in std::string's operator+
  endif()
  if(LEADLINE_WARNINGS_AS_ERRORS)
    add_compile_options(-Werror)
  endif()
endif()
