# Tests that are processes of their own: the OpenBLAS repair, checks on the sources.
add_executable(test_blas_repair programs/blas_repair.cpp)
target_link_libraries(test_blas_repair PRIVATE contexture_developer)
add_test(NAME core.openblas_repair COMMAND test_blas_repair)
set_tests_properties(core.openblas_repair PROPERTIES ENVIRONMENT OPENBLAS_CORETYPE=Prescott SKIP_RETURN_CODE 77)
