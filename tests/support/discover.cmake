# SPDX-License-Identifier: MIT
# Run by ctest itself (TEST_INCLUDE_FILES) with `room` and `program` set: asks the program for its
# test cases and adds each as <room>.<test case>. Catch2's own catch_discover_tests treats the names as a
# CMake list and so loses test cases after a name with an unbalanced bracket, such as "in [0,1)".
if(NOT EXISTS "${program}")
  add_test("${room} (not built)" "${program}")
  return()
endif()
execute_process(COMMAND "${program}" --list-test-names-only OUTPUT_VARIABLE names RESULT_VARIABLE count)
if(names STREQUAL "" OR count LESS 0)  # Catch2 v3 has no such option
  execute_process(COMMAND "${program}" --list-tests --verbosity quiet OUTPUT_VARIABLE names)
endif()
while(NOT names STREQUAL "")
  string(FIND "${names}" "\n" end)
  string(SUBSTRING "${names}" 0 ${end} name)
  math(EXPR end "${end} + 1")
  string(SUBSTRING "${names}" ${end} -1 names)
  string(STRIP "${name}" name)
  if(name STREQUAL "")
    continue()
  endif()
  string(REGEX REPLACE "^\"(#.*)\"$" "\\1" name "${name}")  # v2 puts names that begin with # in quotes
  string(REGEX REPLACE "([][,\\\\])" "\\\\\\1" filter "${name}")
  add_test("${room}.${name}" "${program}" "${filter}")
  set_tests_properties("${room}.${name}" PROPERTIES TIMEOUT 600 LABELS "${room}"
    FAIL_REGULAR_EXPRESSION "No test cases matched;No tests ran")
endwhile()
