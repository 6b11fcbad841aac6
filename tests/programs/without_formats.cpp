// SPDX-License-Identifier: MIT
// Headers alone, without contexture::image_formats: GIF, WebP and TIFF files are told by their kind, as files that this
// program was built without; PNG, JPEG and BMP are read.
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "contexture/data/image_io.hpp"
#include "contexture/data/image_tree.hpp"
#include "contexture/data/scan_header.hpp"
#include "data/other_images.hpp"

using namespace contexture;

namespace {

int wrong = 0;

void expect(const std::string& got, std::string_view expected) {
  if (got.ends_with(expected)) return;
  std::fprintf(stderr, "got '%s', expected '%s' at its end\n", got.c_str(), std::string(expected).c_str());
  ++wrong;
}

std::string error_of(const std::filesystem::path& path) {
  try {
    (void)read_image_file(path);
  } catch (const InputError& error) {
    return error.what();
  }
  return "read";
}

}  // namespace

int main() {
  const files::TempFolder folder;
  const std::pair<const char*, files::Bytes> unread[] = {
      {"GIF", files::gif(5, 4)}, {"TIFF", files::tiff(5, 4)}, {"WebP", files::text_bytes("RIFF....WEBPVP8L")}};
  for (const auto& [kind, bytes] : unread) {
    detail::ImageFile file;
    file.path = folder / (std::string("a.") + kind);
    files::write(file.path, bytes);
    file.bytes = std::ssize(bytes);
    expect(error_of(file.path), std::string(kind) + ", which this program was built without");
    detail::scan_header(file, bytes, {});
    expect(detail::reason_of(file), std::string("built without ") + kind + " (." + detail::lower(kind) + ")");
    if (!detail::is_loss(file)) expect("no loss", "a loss");
  }
  files::write(folder / "a.bmp", files::bmp(5, 4, 24));
  expect(error_of(folder / "a.bmp"), "read");
  return wrong == 0 ? 0 : 1;
}
