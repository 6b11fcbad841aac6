# SPDX-License-Identifier: MIT
# Tests that are processes of their own: the OpenBLAS repair, checks on the sources, projects that
# use the library. The last two say the same under any flags, so the sanitizers' build skips them.
add_executable(test_blas_repair programs/blas_repair.cpp)
target_link_libraries(test_blas_repair PRIVATE contexture_developer)
add_test(NAME core.openblas_repair COMMAND test_blas_repair)
set_tests_properties(core.openblas_repair PROPERTIES ENVIRONMENT OPENBLAS_CORETYPE=Prescott SKIP_RETURN_CODE 77)
add_executable(test_process_life programs/process_life.cpp)
target_link_libraries(test_process_life PRIVATE contexture_developer)
add_test(NAME core.process_life COMMAND test_process_life)
# All of it by way of headers: what is compiled once has not this program's flags.
add_executable(test_fast_math programs/fast_math.cpp)
target_link_libraries(test_fast_math PRIVATE contexture::contexture contexture_flags)
target_compile_options(test_fast_math PRIVATE -ffast-math)
add_test(NAME train.fast_math COMMAND test_fast_math)
add_executable(test_without_formats programs/without_formats.cpp)
target_include_directories(test_without_formats PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(test_without_formats PRIVATE contexture::contexture contexture_flags)
add_test(NAME data.without_formats COMMAND test_without_formats)
set_tests_properties(core.process_life train.fast_math data.without_formats PROPERTIES TIMEOUT 300)

if(CONTEXTURE_SANITIZE)
  return()
endif()

set(checks "${CMAKE_CURRENT_SOURCE_DIR}/checks")
add_test(NAME checks.rooms COMMAND "${checks}/rooms.sh")
add_test(NAME checks.rooms_self_test COMMAND "${checks}/rooms_self_test.sh")
add_test(NAME checks.sources COMMAND "${checks}/sources.sh")
add_test(NAME checks.sources_self_test COMMAND "${checks}/sources.sh" --self-test)
add_test(NAME checks.sizes COMMAND "${checks}/sizes.sh")
add_test(NAME checks.sizes_self_test COMMAND "${checks}/sizes.sh" --self-test)
add_test(NAME checks.format COMMAND "${checks}/format.sh")
add_test(NAME checks.history COMMAND "${checks}/history.sh")
add_test(NAME checks.history_self_test COMMAND "${checks}/history_self_test.sh")
set_tests_properties(checks.format checks.history_self_test PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME checks.page_script COMMAND "${PROJECT_SOURCE_DIR}/scripts/update-page.sh" --check)
add_test(NAME checks.setup COMMAND "${checks}/setup_self_test.sh")
set_tests_properties(checks.setup PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME scripts.help COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/scripts/help.sh")
add_test(NAME scripts.plant_mutants COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/scripts/plant_mutants.sh")
add_test(NAME scripts.get_data COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/scripts/get_data.sh")
add_test(NAME scripts.reproduce COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/scripts/reproduce.sh")
set_tests_properties(scripts.get_data scripts.reproduce PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 120)
add_test(NAME checks.docs COMMAND "${PROJECT_SOURCE_DIR}/scripts/docs.sh" --check)
set_tests_properties(checks.docs PROPERTIES SKIP_RETURN_CODE 77)
add_test(NAME checks.readme_ru COMMAND "${checks}/readme_ru.sh")
add_test(NAME checks.readme_ru_self_test COMMAND "${checks}/readme_ru.sh" --self-test)
add_test(NAME checks.readme_snippet COMMAND "${checks}/doc_snippet.sh" README.md examples/readme.cpp)
add_test(NAME checks.tutorial_snippet COMMAND "${checks}/doc_snippet.sh" docs/tutorial.md examples/tutorial.cpp)
add_test(NAME checks.faq_snippet COMMAND "${checks}/doc_snippet.sh" docs/faq.md examples/training_loop.cpp)
add_test(NAME checks.doc_snippet_self_test COMMAND "${checks}/doc_snippet.sh" --self-test)
foreach(walk_through nn/example_op ssl/example_pretext_task models/example_network data/example_format)
  string(REGEX REPLACE ".*/example_" "" name "${walk_through}")
  add_test(NAME checks.hacking_snippet_${name}
    COMMAND "${checks}/doc_snippet.sh" docs/HACKING.md "tests/${walk_through}.hpp")
endforeach()
add_test(NAME checks.data_snippet COMMAND "${checks}/doc_snippet.sh" docs/data.md tests/data/example_dataset.hpp)
add_test(NAME checks.tensors_snippet COMMAND "${checks}/doc_snippet.sh" docs/tensors.md tests/programs/tensors.cpp)
add_executable(tensors programs/tensors.cpp)
target_link_libraries(tensors PRIVATE contexture_developer)
add_test(NAME programs.tensors COMMAND "${checks}/doc_output.sh" docs/tensors.md $<TARGET_FILE:tensors>)
set(warnings -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(CONTEXTURE_WERROR)
  list(APPEND warnings -Werror)
endif()
# In compiled mode, where the bodies that take longest are left out: consumers and src/ compile those. By clang where it
# is there: it takes two thirds of the time that g++ does.
find_program(CONTEXTURE_HEADERS_COMPILER clang++)
if(NOT CONTEXTURE_HEADERS_COMPILER)
  set(CONTEXTURE_HEADERS_COMPILER ${CMAKE_CXX_COMPILER})
endif()
mark_as_advanced(CONTEXTURE_HEADERS_COMPILER)
add_test(NAME checks.headers COMMAND "${checks}/headers.sh" "${CONTEXTURE_HEADERS_COMPILER}" -std=c++20 -I. -DCONTEXTURE_COMPILED
  ${warnings})
set_tests_properties(checks.headers PROPERTIES PROCESSORS 2 COST 1000)

# Consumers: installed and found, and as a subdirectory.
set(installed "${CMAKE_CURRENT_BINARY_DIR}/installed")
add_test(NAME consumers.install COMMAND ${CMAKE_COMMAND} --install "${PROJECT_BINARY_DIR}" --prefix "${installed}")
set_tests_properties(consumers.install PROPERTIES FIXTURES_SETUP installed)
function(contexture_add_consumer name)
  add_test(NAME consumers.${name} COMMAND ${CMAKE_CTEST_COMMAND}
    --build-and-test "${CMAKE_CURRENT_SOURCE_DIR}/consumers/${name}" "${CMAKE_CURRENT_BINARY_DIR}/consumers/${name}"
    --build-generator "${CMAKE_GENERATOR}"
    --build-options -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
      "-DCMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}" -DCONTEXTURE_WERROR=${CONTEXTURE_WERROR} ${ARGN}
    --test-command consumer)
  set_tests_properties(consumers.${name} PROPERTIES TIMEOUT 600 COST 500)
endfunction()
contexture_add_consumer(find_package -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_PREFIX_PATH=${installed}")
set_tests_properties(consumers.find_package PROPERTIES FIXTURES_REQUIRED installed)
add_test(NAME consumers.pkg_config COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/consumers/pkg_config.sh" "${installed}" ${CMAKE_CXX_COMPILER})
set_tests_properties(consumers.pkg_config PROPERTIES FIXTURES_REQUIRED installed SKIP_RETURN_CODE 77)
if(CONTEXTURE_BUILD_EXAMPLES)
  add_test(NAME consumers.packages COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/consumers/packages.sh" "${PROJECT_BINARY_DIR}")
  set_tests_properties(consumers.packages PROPERTIES SKIP_RETURN_CODE 77)
endif()
contexture_add_consumer(subdirectory -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 "-DCONTEXTURE_SOURCE=${PROJECT_SOURCE_DIR}")

# The example programs as processes on tiny data, one ctest entry per case of run.sh.
if(CONTEXTURE_BUILD_EXAMPLES)
  add_executable(check_outputs programs/check_outputs.cpp)
  target_link_libraries(check_outputs PRIVATE contexture_developer)
  add_executable(sample_files programs/sample_files.cpp)
  target_include_directories(sample_files PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(sample_files PRIVATE contexture_developer)
  add_test(NAME consumers.embed COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/consumers/embed.sh" "${installed}"
    ${CMAKE_CXX_COMPILER} $<TARGET_FILE:sample_files>)
  set_tests_properties(consumers.embed PROPERTIES FIXTURES_REQUIRED installed)
  add_library(jumping_clock SHARED programs/jumping_clock.cpp)
  target_link_libraries(jumping_clock PRIVATE contexture_flags ${CMAKE_DL_LIBS})
  file(STRINGS programs/run.sh cases REGEX "^case_[a-z_]+\\(\\)")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS programs/run.sh)
  foreach(line IN LISTS cases)
    string(REGEX REPLACE "^case_([a-z_]+).*" "\\1" case "${line}")
    set(name programs.${case})
    if(case MATCHES "^mpi_(.*)")  # by mpirun
      if(NOT CONTEXTURE_WITH_MPI)
        continue()
      endif()
      set(name mpi.${CMAKE_MATCH_1})
    endif()
    add_test(NAME ${name} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/programs/run.sh"
      $<TARGET_FILE_DIR:contexture_program> $<TARGET_FILE:check_outputs> ${case})
    set_tests_properties(${name} PROPERTIES TIMEOUT 1200 COST 300)
  endforeach()
endif()

# Exported networks beside the library, in other engines: scripts/test.sh --export.
if(CONTEXTURE_BUILD_EXAMPLES)
  add_executable(export_cases EXCLUDE_FROM_ALL export/cases.cpp)
  target_link_libraries(export_cases PRIVATE contexture_developer)
endif()

# Pages for `scripts/test.sh --page`, which builds it: nothing else needs it.
add_executable(write_samples EXCLUDE_FROM_ALL page/write_samples.cpp)
target_include_directories(write_samples PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(write_samples PRIVATE contexture_developer)

# What processes compute together by MPI, in two and in three of them. Root, and more processes than processors, are meant.
if(CONTEXTURE_WITH_MPI)
  add_executable(test_mpi mpi/together.cpp)
  target_include_directories(test_mpi PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(test_mpi PRIVATE contexture_developer contexture::mpi)
  foreach(processes 2 3 7)  # seven show each other more numbers than three, and train no other way
    set(calls $<$<EQUAL:${processes},7>:--calls>)
    add_test(NAME mpi.together_${processes} COMMAND ${MPIEXEC_EXECUTABLE} ${MPIEXEC_NUMPROC_FLAG} ${processes}
      $<TARGET_FILE:test_mpi> ${calls} COMMAND_EXPAND_LISTS)
    set_tests_properties(mpi.together_${processes} PROPERTIES TIMEOUT 300 PROCESSORS 2 ENVIRONMENT
      "OMPI_ALLOW_RUN_AS_ROOT=1;OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1;OMPI_MCA_rmaps_base_oversubscribe=1;PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe")
  endforeach()
  if(CONTEXTURE_BUILD_EXAMPLES)  # on two hosts, which the script makes
    add_test(NAME mpi.hosts COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/mpi/hosts.sh" $<TARGET_FILE:test_mpi>
      "$<TARGET_FILE_DIR:contexture_program>/pretrain")
    set_tests_properties(mpi.hosts PROPERTIES TIMEOUT 400 PROCESSORS 2 SKIP_RETURN_CODE 77)
  endif()
endif()
