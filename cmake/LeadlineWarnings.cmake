# One set of warnings for every file; only when Leadline is the top project, so that users keep their own.
if(PROJECT_IS_TOP_LEVEL)
  add_compile_options(-Wall -Wextra -Wshadow -Wpedantic)
  if(LEADLINE_WARNINGS_AS_ERRORS)
    add_compile_options(-Werror)
  endif()
endif()
