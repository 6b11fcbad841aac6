// SPDX-License-Identifier: MIT
// Files that were made to break a decoder: each is refused by name of its fault, before a decoder or memory is asked.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "contexture/core/rng.hpp"
#include "contexture/data/image_io.hpp"
#include "contexture/data/load.hpp"
#include "contexture/data/png.hpp"
#include "data/decoders.hpp"
#include "data/files.hpp"
#include "support/catch.hpp"
#include "support/errors.hpp"

using namespace contexture;
using Catch::Matchers::ContainsSubstring;
using files::Bytes;
using files::Decoder;

namespace {

// A JPEG in pieces that can be exchanged: its segments, and for a scan the image data behind it.
struct Segment {
  int marker = 0;
  Bytes body;
  Bytes data = {};
};

std::vector<Segment> segments_of(const Bytes& jpeg) {
  std::vector<Segment> all;
  for (std::size_t at = 2; jpeg[at + 1] != 0xD9;) {
    const std::size_t length = static_cast<std::size_t>(jpeg[at + 2] << 8 | jpeg[at + 3]);
    const auto byte = [&](std::size_t i) { return jpeg.begin() + static_cast<std::ptrdiff_t>(i); };
    all.push_back({jpeg[at + 1], Bytes(byte(at + 4), byte(at + 2 + length))});
    at += 2 + length;
    if (all.back().marker != 0xDA) continue;
    const std::size_t data = at;
    while (jpeg[at] != 0xFF || jpeg[at + 1] == 0) ++at;
    all.back().data = Bytes(byte(data), byte(at));
  }
  return all;
}

Bytes joined(const std::vector<Segment>& segments) {
  Bytes out = {0xFF, 0xD8};
  for (const Segment& segment : segments) {
    files::append_jpeg_segment(out, segment.marker, segment.body);
    out.insert(out.end(), segment.data.begin(), segment.data.end());
  }
  out.push_back(0xFF);
  out.push_back(0xD9);
  return out;
}

enum Place { kQuantization, kFrame, kDc, kAc, kScan };  // of the segments of files::jpeg

std::vector<Segment> sound_jpeg() { return segments_of(files::jpeg(2, {90, 100, 200})); }

Segment& at(std::vector<Segment>& segments, Place place) { return segments[static_cast<std::size_t>(place)]; }

std::string why_not(const Decoder decoded, const std::vector<Segment>& segments) {
  return errors::refusal_of([&] { return decoded(joined(segments)); });
}

// A Huffman table of `kind` and number 0 with `each` codes of every length, all there.
Bytes table_of(int kind, int each) {
  Bytes body = {static_cast<std::uint8_t>(kind << 4)};
  body.insert(body.end(), 16, static_cast<std::uint8_t>(each));
  body.insert(body.end(), static_cast<std::size_t>(16 * each), 1);
  return body;
}

// Chunks before the pixel data of a sound 4 x 3 PNG, and the header's last five bytes.
Bytes png_with(const std::vector<std::pair<std::string, Bytes>>& before, const Bytes& header_end = {8, 2, 0, 0, 0}) {
  Bytes out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  Bytes header = {0, 0, 0, 4, 0, 0, 0, 3};
  header.insert(header.end(), header_end.begin(), header_end.end());
  files::append_png_chunk(out, "IHDR", header);
  for (const auto& [type, body] : before) files::append_png_chunk(out, type, body);
  const std::size_t samples = header_end[1] == 2 ? 3 : header_end[1] == 4 ? 2 : 1;
  Bytes raw;
  for (int y = 0; y < 3; ++y) raw.insert(raw.end(), 1 + 4 * samples * header_end[0] / 8, 0);
  uLongf size = compressBound(static_cast<uLong>(raw.size()));
  Bytes packed(size);
  compress(packed.data(), &size, raw.data(), static_cast<uLong>(raw.size()));
  packed.resize(size);
  files::append_png_chunk(out, "IDAT", packed);
  files::append_png_chunk(out, "IEND", {});
  return out;
}

}  // namespace

TEST_CASE("a JPEG whose Huffman tables hold too many codes") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  REQUIRE(decoded(joined(sound_jpeg())).width == 16);
  auto jpeg = sound_jpeg();
  at(jpeg, kAc).body = table_of(1, 255);
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("a Huffman table of 4080 codes, expected at most 256"));
  at(jpeg, kAc).body = table_of(1, 17);  // 272: 16 bytes behind stb_image's table
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("a Huffman table of 272 codes, expected at most 256"));
  at(jpeg, kAc).body = table_of(1, 16);  // 256, but three codes of one bit are one too many
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("more codes than bits can tell apart"));
  at(jpeg, kAc).body.resize(40);
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("a Huffman table of 256 codes with 23 symbols"));
  at(jpeg, kAc).body.resize(10);
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("expected 0 to 3 of kind 0 or 1, whole"));
  jpeg = sound_jpeg();
  at(jpeg, kDc).body = {0x00, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  at(jpeg, kDc).body.insert(at(jpeg, kDc).body.end(), 17, 3);
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("a Huffman table of 17 codes, expected at most 16"));
  jpeg = sound_jpeg();
  at(jpeg, kDc).body.back() = 16;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("differences of more than 15 bits"));
  jpeg = sound_jpeg();
  jpeg.push_back({0xC4, table_of(1, 200)});  // behind the image data
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("a Huffman table of 3200 codes"));
}

TEST_CASE("a JPEG whose scan names what was never defined") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  auto jpeg = sound_jpeg();
  at(jpeg, kScan).body[2] = 0x01;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("Huffman table 1 of kind 1 was never defined"));
  at(jpeg, kScan).body[2] = 0x20;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("Huffman table 2 of kind 0 was never defined"));
  at(jpeg, kScan).body[2] = 0xF0;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("Huffman table 15 of kind 0 was never defined"));
  for (const Place gone : {kDc, kAc, kQuantization}) {
    jpeg = sound_jpeg();
    jpeg.erase(jpeg.begin() + gone);
    CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("was never defined"));
  }
  jpeg = sound_jpeg();
  at(jpeg, kFrame).body[11] = 3;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("quantization table 3 was never defined"));
  at(jpeg, kFrame).body[11] = 4;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("quantization table 4, expected 0 to 3"));
  jpeg = sound_jpeg();
  at(jpeg, kScan).body[3] = 77;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("component 77, which the frame does not have"));
  at(jpeg, kScan).body[3] = 1;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("component 1 twice in a scan"));
  jpeg = sound_jpeg();
  at(jpeg, kScan).body = {2, 1, 0, 2, 0, 0, 63, 0};
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("without image data of component 3"));
  jpeg = sound_jpeg();
  Segment second = at(jpeg, kScan);
  second.body[2] = 0x13;
  jpeg.push_back(second);
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("was never defined"));
}

TEST_CASE("a JPEG whose frame or scans the format does not know") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  auto jpeg = sound_jpeg();
  jpeg.insert(jpeg.begin() + kDc, at(jpeg, kFrame));
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("a second frame header"));
  jpeg = sound_jpeg();
  at(jpeg, kFrame).body[7] = 0x44;
  at(jpeg, kFrame).body[10] = 0x33;  // rows of three quarters: stb_image reads behind its own
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("sampling 3 x 3 of at most 4 x 4"));
  at(jpeg, kFrame).body[10] = 0x01;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("sampling 0 x 1"));
  at(jpeg, kFrame).body[7] = 0x81;
  at(jpeg, kFrame).body[10] = 0x11;
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("sampling 8 x 1"));
  jpeg = sound_jpeg();
  at(jpeg, kFrame).body.pop_back();
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("a frame header of 14 bytes, expected 15"));
  for (const auto& [first, last, bits] : {std::array{1, 63, 0}, {0, 62, 0}, {0, 64, 0}, {0, 63, 0x10}, {0, 63, 1}}) {
    jpeg = sound_jpeg();
    at(jpeg, kScan).body[7] = static_cast<std::uint8_t>(first);
    at(jpeg, kScan).body[8] = static_cast<std::uint8_t>(last);
    at(jpeg, kScan).body[9] = static_cast<std::uint8_t>(bits);
    CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("expected all"));
    at(jpeg, kFrame).marker = 0xC2;
    CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("a scan "));
  }
  jpeg = sound_jpeg();
  for (int i = 0; i < 100; ++i) jpeg.push_back(jpeg.back());
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("more than 100 scans"));
  jpeg = sound_jpeg();
  jpeg.push_back({0xDC, {0, 16}});
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("marker 220"));
  jpeg = sound_jpeg();
  jpeg.pop_back();
  CHECK_THAT(why_not(decoded, jpeg), ContainsSubstring("without image data of component"));
}

TEST_CASE("a PNG whose chunks the format does not know") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  const auto why = [&](const std::vector<std::pair<std::string, Bytes>>& before, const Bytes& header) {
    return errors::refusal_of([&] { return decoded(png_with(before, header)); });
  };
  const Bytes rgb = {8, 2, 0, 0, 0}, palette = {8, 3, 0, 0, 0};
  REQUIRE(decoded(png_with({{"PLTE", {1, 2, 3}}, {"tRNS", {9}}, {"tEXt", {'a', 0}}}, palette)).width == 4);
  CHECK_THAT(why({{"CgBI", {0, 0, 0, 0}}}, rgb), ContainsSubstring("unknown kind that is needed"));
  CHECK_THAT(why({{"IHDR", {0, 0, 0, 9, 0, 0, 0, 9, 8, 2, 0, 0, 0}}}, rgb), ContainsSubstring("IHDR at byte 33"));
  CHECK_THAT(why({}, palette), ContainsSubstring("without its palette"));
  CHECK_THAT(why({{"PLTE", {1, 2}}}, palette), ContainsSubstring("PLTE at byte 33 of 2 bytes is out of place"));
  CHECK_THAT(why({{"PLTE", Bytes(9)}}, {1, 3, 0, 0, 0}), ContainsSubstring("PLTE"));
  CHECK_THAT(why({{"PLTE", Bytes(771)}}, palette), ContainsSubstring("PLTE"));
  CHECK_THAT(why({{"PLTE", {1, 2, 3}}, {"PLTE", {1, 2, 3}}}, palette), ContainsSubstring("PLTE at byte 48"));
  CHECK_THAT(why({{"PLTE", {1, 2, 3}}, {"tRNS", {1, 2}}}, palette), ContainsSubstring("tRNS"));
  CHECK_THAT(why({{"tRNS", {1, 2}}}, rgb), ContainsSubstring("tRNS"));
  CHECK_THAT(why({{"IDAT", {}}, {"tEXt", {}}}, rgb), ContainsSubstring("IDAT"));
  for (const Bytes& header : {Bytes{2, 2, 0, 0, 0}, {16, 3, 0, 0, 0}, {4, 4, 0, 0, 0}, {3, 0, 0, 0, 0}})
    CHECK_THAT(why({}, header), ContainsSubstring("PNG bit depth"));
  for (const Bytes& header : {Bytes{8, 2, 1, 0, 0}, {8, 2, 0, 1, 0}, {8, 2, 0, 0, 2}})
    CHECK_THAT(why({}, header), ContainsSubstring("expected 0, 0, and 0 or 1"));
}

TEST_CASE("an image file may ask for no more pixels than allowed") {
  const files::TempFolder folder;
  const Bytes huge =
      files::png(20, 10, files::flat_rows(20, 10, {1, 2, 3}), {.claimed_width = 20'000, .claimed_height = 20'000});
  files::write(folder / "huge.png", huge);
  CHECK_THAT(errors::refusal_of([&] { return read_image_file(folder / "huge.png"); }),
             ContainsSubstring("claims 20000 x 20000 pixels") && ContainsSubstring("at most 67108864 in all"));
  files::write(folder / "fine.png", files::rgb_png(20, 10, 1, 2, 3));
  files::write(folder / "fine.jpg", files::jpeg(2, {90, 100, 200}));
  const auto read = [&](const char* name, Index most) { return read_image_file(folder / name, {.max_pixels = most}); };
  CHECK(read("fine.png", 200).count == 1);
  CHECK_THAT(errors::refusal_of([&] { return read("fine.png", 199); }), ContainsSubstring("at most 199 in all"));
  CHECK(read("fine.jpg", 256).count == 1);
  CHECK_THAT(errors::refusal_of([&] { return read("fine.jpg", 255); }), ContainsSubstring("at most 255 in all"));
  for (const char* name : {"a", "b"}) {
    for (int i = 0; i < 4; ++i)
      files::write(folder / (std::string("set/") + name + "/" + std::to_string(i) + ".png"),
                   files::rgb_png(9, 8, 1, 2, 3));
  }
  CHECK(load_dataset((folder / "set").string(), {.limits = {.max_pixels = 72}}).train.count == 6);
  CHECK_THAT(
      errors::refusal_of([&] { return load_dataset((folder / "set").string(), {.limits = {.max_pixels = 71}}); }),
      ContainsSubstring("8 of 8 images are broken") && ContainsSubstring("at most 71 in all"));
}

#if !defined(CONTEXTURE_WITH_STB_IMAGE)
TEST_CASE("both decoders see the same picture in an ordinary JPEG") {
  const files::JpegKind how =
      GENERATE(files::JpegKind{}, files::JpegKind{.progressive = true}, files::JpegKind{.restart = 2},
               files::JpegKind{.progressive = true, .restart = 3, .sampling = 1}, files::JpegKind{.sampling = 1});
  const Bytes bytes = files::written_jpeg(45, 67, how, Rng(1));
  const ImageSet a = detail::decode_with_stb(bytes, {}), b = detail::decode_with_libraries(bytes, {});
  REQUIRE(a.width == 67);
  REQUIRE(a.height == b.height);
  REQUIRE(a.pixels.size() == b.pixels.size());
  double sum = 0;
  int most = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const int difference = std::abs(a.pixels[i] - b.pixels[i]);
    most = std::max(most, difference);
    sum += difference;
  }
  CHECK(most <= 4);
  CHECK(sum / static_cast<double>(a.pixels.size()) < 0.5);
}

TEST_CASE("damage to an image is refused or decoded, and never more") {
  const Decoder decoded = GENERATE_REF(from_range(files::decoders()));
  Rng rng(7);
  Bytes rgba;
  for (int i = 0; i < 23 * 17 * 4; ++i) rgba.push_back(static_cast<std::uint8_t>(rng.below(256)));
  const std::vector<Bytes> sound = {
      files::written_jpeg(40, 37, {}, Rng(2)), files::written_jpeg(40, 37, {.progressive = true, .restart = 2}, Rng(3)),
      joined(sound_jpeg()), encode_png(rgba.data(), 17, 23, 4), png_with({{"PLTE", {1, 2, 3}}}, {8, 3, 0, 0, 0})};
  int refused = 0;
  for (int trial = 0; trial < 2'000; ++trial) {
    Bytes bytes = sound[static_cast<std::size_t>(trial) % sound.size()];
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) {
      const std::size_t where = rng.below(static_cast<std::uint32_t>(bytes.size()));
      const auto value = static_cast<std::uint8_t>(rng.below(4) == 0 ? 0xFF : rng.below(256));
      switch (rng.below(3)) {
        case 0: bytes[where] = value; break;
        case 1: bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(where), value); break;
        default: bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(where));
      }
    }
    try {
      const ImageSet image = decoded(bytes);
      REQUIRE(image.pixels.size() == static_cast<std::size_t>(image.image_bytes()));
    } catch (const InputError&) {
      ++refused;
    }
  }
  CHECK(refused > 500);
}

TEST_CASE("a JPEG that lacks some of its image data is a broken file") {
  auto jpeg = segments_of(files::written_jpeg(64, 64, {}, Rng(4)));
  jpeg.back().data.resize(jpeg.back().data.size() / 2);
  if (jpeg.back().data.back() == 0xFF) jpeg.back().data.pop_back();
  CHECK_THAT(errors::refusal_of([&] { return detail::decode_with_libraries(joined(jpeg), {}); }),
             ContainsSubstring("cannot be decoded: Corrupt JPEG data"));
}
#endif
