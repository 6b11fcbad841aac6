// SPDX-License-Identifier: MIT
// The file that holds a data set decoded: a header of one page, then for each part of the set the checksums of its
// blocks, a byte for the state of each image, and the pixels as they are in memory; last what else a Dataset has. Safe
// to delete: it is made again.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/core/fingerprint.hpp"
#include "contexture/core/tensor.hpp"
#include "contexture/data/dataset.hpp"

namespace contexture::detail {

inline constexpr std::size_t kCacheParts = 3;  // train, test, unlabeled
inline constexpr Index kCachePage = 4096;
inline constexpr std::string_view kCacheMagic = "contexture images 1\n";

// Where an image stands that is not to be trusted is told by its state.
enum class CachedImage : std::uint8_t { unknown = 0, good = 1, broken = 2 };

// Where everything is.
struct CacheLayout {
  std::string key;  // of the files and the options that the images were made from
  Index height = 0, width = 0;
  Index channels = 0;         // of the images now
  Index stored_channels = 0;  // when places were given out; more than `channels` where all turned out to be grey
  std::array<Index, kCacheParts> capacity{}, count{};

  [[nodiscard]] Index image_bytes() const { return height * width * channels; }
  // Images that have a checksum in common: some megabytes, written at once.
  [[nodiscard]] Index block() const {
    return std::clamp<Index>((Index{8} << 20) / (height * width * stored_channels), 16, 1024);
  }
  [[nodiscard]] Index blocks(Index images) const { return (images + block() - 1) / block(); }
  [[nodiscard]] Index sums_at(std::size_t part) const { return part == 0 ? kCachePage : end_of(part - 1); }
  [[nodiscard]] Index states_at(std::size_t part) const { return sums_at(part) + 8 * blocks(capacity[part]); }
  [[nodiscard]] Index pixels_at(std::size_t part) const { return whole_pages(states_at(part) + capacity[part]); }
  [[nodiscard]] Index end() const { return end_of(kCacheParts - 1); }

 private:
  static Index whole_pages(Index bytes) { return (bytes + kCachePage - 1) / kCachePage * kCachePage; }
  [[nodiscard]] Index end_of(std::size_t part) const {
    return whole_pages(pixels_at(part) + capacity[part] * height * width * stored_channels);
  }
};

// Of a block: never 0, which is that of one that is still to come.
inline std::uint64_t cache_sum(std::span<const std::uint8_t> pixels, std::span<const std::uint8_t> states) {
  Fingerprint print;
  print.add(pixels.data(), pixels.size());
  print.add(states.data(), states.size());
  return print.value() == 0 ? 1 : print.value();
}

// What stands behind the pixels of a finished cache.
struct CacheEnd {
  Index bytes = 0;
  std::string sum;
};

inline std::vector<std::uint8_t> cache_header(const CacheLayout& layout, const CacheEnd& end) {
  const nlohmann::ordered_json json = {
      {"key", layout.key},           {"byte order", std::endian::native == std::endian::little ? "little" : "big"},
      {"height", layout.height},     {"width", layout.width},
      {"channels", layout.channels}, {"stored channels", layout.stored_channels},
      {"capacity", layout.capacity}, {"count", layout.count},
      {"end bytes", end.bytes},      {"end sum", end.sum}};
  const std::string text = std::string(kCacheMagic) + json.dump() + "\n";
  require_state(text.size() <= static_cast<std::size_t>(kCachePage), "cache_header: ", text.size(), " bytes");
  std::vector<std::uint8_t> page(static_cast<std::size_t>(kCachePage), std::uint8_t{' '});
  std::copy(text.begin(), text.end(), page.begin());
  page.back() = '\n';
  return page;
}

// To convert a number with a fraction or an exponent, which may be of any size, is undefined.
inline Index whole_number(const nlohmann::json& value, const char* otherwise) {
  require_input(value.is_number_integer(), otherwise);
  return value.get<Index>();
}

// Throws InputError with the reason alone where this is no such header.
inline CacheLayout parse_cache_header(std::span<const std::uint8_t> page, CacheEnd& end) {
  const std::string text(page.begin(), page.end());
  require_input(text.starts_with(kCacheMagic), "no cache of images of this version");
  const nlohmann::json json = nlohmann::json::parse(text.substr(kCacheMagic.size()), nullptr, false);
  require_input(json.is_object(), "its header is damaged");
  CacheLayout layout;
  std::string order;
  try {
    json.at("key").get_to(layout.key);
    json.at("byte order").get_to(order);
    const auto whole = [&](const nlohmann::json& value) { return whole_number(value, "its header is damaged"); };
    layout.height = whole(json.at("height"));
    layout.width = whole(json.at("width"));
    layout.channels = whole(json.at("channels"));
    layout.stored_channels = whole(json.at("stored channels"));
    for (std::size_t part = 0; part < kCacheParts; ++part) {
      layout.capacity[part] = whole(json.at("capacity").at(part));
      layout.count[part] = whole(json.at("count").at(part));
    }
    end.bytes = whole(json.at("end bytes"));
    json.at("end sum").get_to(end.sum);
  } catch (const nlohmann::json::exception&) {
    throw InputError("its header is damaged");
  }
  require_input(order == (std::endian::native == std::endian::little ? "little" : "big"),
                "made on a machine of another byte order");
  constexpr Index kMostSize = 65'535, kMostImages = Index{1} << 40;
  const auto channels_fit = [](Index channels) { return channels == 1 || channels == 3; };
  bool fits = layout.height >= 1 && layout.height <= kMostSize && layout.width >= 1 && layout.width <= kMostSize &&
              channels_fit(layout.channels) && channels_fit(layout.stored_channels) &&
              layout.channels <= layout.stored_channels && end.bytes >= 0 && end.bytes <= kMostImages;
  for (std::size_t part = 0; part < kCacheParts; ++part)
    fits = fits && layout.count[part] >= 0 && layout.count[part] <= layout.capacity[part] &&
           layout.capacity[part] <= kMostImages / (layout.height * layout.width);
  require_input(fits, "its header is damaged");
  return layout;
}

// What a Dataset has besides pixels, as bytes: JSON, a zero, the labels of its parts.
inline std::vector<std::uint8_t> cache_end(const Dataset& data) {
  nlohmann::ordered_json left_out = nlohmann::ordered_json::array();
  for (const LeftOut& entry : data.account.left_out)
    left_out.push_back(
        {{"reason", entry.reason}, {"count", entry.count}, {"names", entry.names}, {"named", entry.named}});
  const auto labels = [](const ImageSet& set) { return set.labels.size(); };
  const nlohmann::ordered_json json = {{"name", data.name},
                                       {"classes", data.class_names},
                                       {"notes", data.notes},
                                       {"used", data.account.used},
                                       {"left out", left_out},
                                       {"warnings", data.account.warnings},
                                       {"labels", {labels(data.train), labels(data.test), labels(data.unlabeled)}}};
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::vector<std::uint8_t> out(text.begin(), text.end());
  out.push_back(0);
  for (const ImageSet* set : {&data.train, &data.test, &data.unlabeled}) {
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(set->labels.data());
    out.insert(out.end(), bytes, bytes + set->labels.size() * sizeof(std::int32_t));
  }
  return out;
}

// The reverse. Throws InputError with the reason alone, or nlohmann::json's exceptions.
inline void parse_cache_end(std::span<const std::uint8_t> bytes, Dataset& data) {
  const auto zero = std::find(bytes.begin(), bytes.end(), std::uint8_t{0});
  require_input(zero != bytes.end(), "its end is damaged");
  const nlohmann::json json = nlohmann::json::parse(bytes.begin(), zero);
  json.at("name").get_to(data.name);
  json.at("classes").get_to(data.class_names);
  json.at("notes").get_to(data.notes);
  const auto whole = [&](const nlohmann::json& value) { return whole_number(value, "its end is damaged"); };
  data.account.used = whole(json.at("used"));
  json.at("warnings").get_to(data.account.warnings);
  for (const auto& entry : json.at("left out"))
    data.account.left_out.push_back({entry.at("reason").get<std::string>(), whole(entry.at("count")),
                                     entry.at("names").get<std::vector<std::string>>(), whole(entry.at("named"))});
  std::span<const std::uint8_t> rest = bytes.subspan(static_cast<std::size_t>(zero - bytes.begin()) + 1);
  std::size_t part = 0;
  for (ImageSet* set : {&data.train, &data.test, &data.unlabeled}) {
    const auto labels = static_cast<std::size_t>(whole(json.at("labels").at(part++)));
    require_input(
        labels <= rest.size() / sizeof(std::int32_t) && (labels == 0 || labels == static_cast<std::size_t>(set->count)),
        "its labels are damaged");
    set->labels.resize(labels);
    if (labels > 0) std::memcpy(set->labels.data(), rest.data(), labels * sizeof(std::int32_t));
    rest = rest.subspan(labels * sizeof(std::int32_t));
  }
}

}  // namespace contexture::detail
