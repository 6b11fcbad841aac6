# SPDX-License-Identifier: MIT
# contexture_embed(TARGET NAME FILE): FILE becomes a part of TARGET, which reads it from memory.
#   #include "embedded/NAME.hpp"
#   std::span<const std::byte> embedded::NAME();
# The assembler takes the bytes in (.incbin: GNU and LLVM, ELF): as fast for 50 MB as for 1. A changed FILE is built anew.
function(contexture_embed target name file)
  if(NOT name MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
    message(FATAL_ERROR "contexture_embed: '${name}', expected a name that C++ can have")
  endif()
  get_filename_component(file "${file}" ABSOLUTE BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  if(NOT EXISTS "${file}" OR IS_DIRECTORY "${file}")
    message(FATAL_ERROR "contexture_embed: no file ${file}, expected what is to be embedded")
  endif()
  if("${file}" MATCHES "[\"\\\\]")
    message(FATAL_ERROR "contexture_embed: ${file}: a name with a quote or a backslash, which assemblers read otherwise")
  endif()
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/contexture_embed/${target}")
  file(CONFIGURE OUTPUT "${folder}/embedded/${name}.hpp" @ONLY CONTENT [[
#pragma once
#include <cstddef>
#include <span>

namespace embedded {
std::span<const std::byte> @name@();
}
]])
  file(CONFIGURE OUTPUT "${folder}/embedded/${name}.cpp" @ONLY CONTENT [[
#include "embedded/@name@.hpp"

__asm__(
    ".section .rodata\n"
    ".balign 64\n"
    ".globl contexture_embedded_@name@\n"
    ".hidden contexture_embedded_@name@\n"
    "contexture_embedded_@name@:\n"
    ".incbin \"@file@\"\n"
    ".globl contexture_embedded_@name@_end\n"
    ".hidden contexture_embedded_@name@_end\n"
    "contexture_embedded_@name@_end:\n"
    ".byte 0\n"
    ".text\n");
extern "C" const std::byte contexture_embedded_@name@[], contexture_embedded_@name@_end[];

std::span<const std::byte> embedded::@name@() {
  return {contexture_embedded_@name@, contexture_embedded_@name@_end};
}
]])
  set_source_files_properties("${folder}/embedded/${name}.cpp" PROPERTIES
    OBJECT_DEPENDS "${file}" SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE "${folder}/embedded/${name}.cpp")
  target_include_directories(${target} PRIVATE "${folder}")
  target_compile_features(${target} PRIVATE cxx_std_20)
endfunction()
