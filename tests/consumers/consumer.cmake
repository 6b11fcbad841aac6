# SPDX-License-Identifier: MIT
# The same program for both ways of getting the library: two translation units with warnings, and one that shows
# that none of the library's own flags comes along. With CONTEXTURE_WERROR, warnings of the first two are errors.
add_executable(consumer
  ${CMAKE_CURRENT_LIST_DIR}/program/main.cpp
  ${CMAKE_CURRENT_LIST_DIR}/program/network.cpp
  ${CMAKE_CURRENT_LIST_DIR}/program/no_leaks.cpp)
target_link_libraries(consumer PRIVATE contexture::contexture)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/program/main.cpp ${CMAKE_CURRENT_LIST_DIR}/program/network.cpp
  PROPERTIES COMPILE_OPTIONS "-Wall;-Wextra;-Wpedantic;$<$<BOOL:${CONTEXTURE_WERROR}>:-Werror>")
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/program/no_leaks.cpp PROPERTIES COMPILE_OPTIONS "-Werror")

foreach(property INTERFACE_COMPILE_OPTIONS INTERFACE_COMPILE_DEFINITIONS INTERFACE_LINK_OPTIONS INTERFACE_PRECOMPILE_HEADERS)
  get_target_property(value contexture::contexture ${property})
  if(value)
    message(FATAL_ERROR "contexture::contexture has ${property} '${value}', which every user would inherit")
  endif()
endforeach()
get_target_property(libraries contexture::contexture INTERFACE_LINK_LIBRARIES)
if(libraries MATCHES "optimize|developer|Catch|benchmark|CLI11")
  message(FATAL_ERROR "contexture::contexture links '${libraries}', expected run-time needs only")
endif()
