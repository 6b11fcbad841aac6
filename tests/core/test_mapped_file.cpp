// SPDX-License-Identifier: MIT
// Files in memory: their bytes, what is written over them and forgotten, and files that cannot be had.
#include <filesystem>
#include <fstream>
#include <string>

#include "contexture/core/mapped_file.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

using namespace contexture;
namespace fs = std::filesystem;

TEST_CASE("a mapped file has the file's bytes; what is written to it is this process's own, until it is forgotten") {
  const files::Folder folder;
  const fs::path path = folder.path / "a";
  const std::string text(10'000, 'a');  // some pages
  std::ofstream(path) << text;
  const MappedFile file(path);
  REQUIRE(file.size() == text.size());
  CHECK(std::string(file.data(), file.data() + file.size()) == text);
  file.data()[0] = file.data()[9'999] = 'b';
  CHECK(files::bytes_of(path) == text);
  file.forget();
  CHECK(file.data()[0] == 'a');
  CHECK(file.data()[9'999] == 'a');
  fs::remove(path);
  CHECK(file.data()[5'000] == 'a');
}

TEST_CASE("files that cannot be mapped are named with the reason") {
  const files::Folder folder;
  const fs::path path = folder.path / "a";
  CHECK_THROWS_WITH(MappedFile(path), path.string() + ": cannot be read: No such file or directory");
  std::ofstream(path).flush();
  CHECK_THROWS_WITH(MappedFile(path), path.string() + ": empty");
  CHECK_THROWS_AS(MappedFile(folder.path), InputError);
}
