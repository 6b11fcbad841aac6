// SPDX-License-Identifier: MIT
// An application's own stb, in the source file that also includes ours: it compiles, links, and is its own.
// Built without optimisation (tests/CMakeLists.txt), since the assembler then sees every function of both.
#include <cstdint>
#include <vector>

#include "contexture/data/decode_stb.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/png.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_WRITE_IMPLEMENTATION
#if __has_include(<stb/stb_image.h>)
#include <stb/stb_image.h>
#include <stb/stb_image_write.h>
#else
#include <stb_image.h>
#include <stb_image_write.h>
#endif
#pragma GCC diagnostic pop

using namespace contexture;

TEST_CASE("an application's own stb reads what we write, and writes what we read") {
  const std::vector<std::uint8_t> pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7};
  const files::TempFolder folder;
  write_png(folder / "ours.png", pixels.data(), 2, 2, 3);
  int width = 0, height = 0, channels = 0;
  std::uint8_t* const read = stbi_load((folder / "ours.png").c_str(), &width, &height, &channels, 0);
  REQUIRE(read != nullptr);
  CHECK(width == 2);
  CHECK(height == 2);
  CHECK(channels == 3);
  CHECK(std::vector<std::uint8_t>(read, read + 12) == pixels);
  stbi_image_free(read);

  stbi_flip_vertically_on_write(1);  // of the application's copy alone
  REQUIRE(stbi_write_png((folder / "theirs.png").c_str(), 2, 2, 3, pixels.data(), 6) != 0);
  CHECK(read_image_file(folder / "theirs.png").pixels ==
        std::vector<std::uint8_t>{0, 0, 255, 9, 8, 7, 255, 0, 0, 0, 255, 0});
  CHECK(detail::decode_with_stb(encode_png(pixels.data(), 2, 2, 3), {}).pixels == pixels);
}
