// SPDX-License-Identifier: MIT
// What classify() found, as files: tables for programs, and a page that shows every kind of answer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "contexture/data/collection.hpp"
#include "contexture/data/csv.hpp"
#include "contexture/data/png.hpp"
#include "contexture/data/resize.hpp"
#include "contexture/report/document.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/html.hpp"
#include "contexture/report/predictions.hpp"
#include "contexture/report/text.hpp"
#include "contexture/study/classify.hpp"

namespace contexture {
namespace report::detail {

inline constexpr std::size_t kMostTiles = 600;  // of a gallery: a page of a few megabytes
inline constexpr Index kTileSide = 128;         // pixels; larger images are shrunk for the page

inline const char* words_of(ClassifyMethod method) {
  switch (method) {
    case ClassifyMethod::head: return "a linear head on the frozen encoder";
    case ClassifyMethod::finetune: return "fine-tuning of head and encoder";
    case ClassifyMethod::selftrain: return "self-training, taught by ";
  }
  return "";
}

/// "61.7 % (95 % interval 52.7 % to 69.9 %)"
[[nodiscard]] inline std::string accuracy_text(const MethodResult& r) {
  return percent(r.accuracy) + " (95 % interval " + percent(r.interval.low) + " to " + percent(r.interval.high) + ")";
}

/// The tables and the page of one result.
class ClassifyPages {
 public:
  ClassifyPages(const Collection& collection, const ClassifyResult& result)
      : collection_(collection), result_(result), labelled_(static_cast<std::size_t>(collection.labelled)) {}

  [[nodiscard]] std::string predictions() const {
    std::string out = predictions_header(collection_.class_names);
    for (std::size_t i = 0; i < unlabelled(); ++i)
      out += predictions_line(path(labelled_ + i), collection_.class_names, row(i));
    return out;
  }

  [[nodiscard]] std::string label_next() const {
    std::string out = csv_line({"path", "label", "guess", "uncertainty", "gain"});
    for (const LabelNext& n : result_.next) {
      const auto i = static_cast<std::size_t>(n.image);
      out +=
          csv_line({one_line(path(labelled_ + i)), "", one_line(guess(i)), fixed(n.uncertainty, 4), fixed(n.gain, 4)});
    }
    return out;
  }

  [[nodiscard]] std::string suspected() const {
    std::string out = csv_line({"path", "label", "suggested", "p(label)", "p(suggested)"});
    for (const SuspectedLabel& s : result_.suspected)
      out += csv_line({one_line(path(static_cast<std::size_t>(s.image))), one_line(name(s.label)),
                       one_line(name(s.suggested)), fixed(static_cast<double>(s.label_probability), 6),
                       fixed(static_cast<double>(s.suggested_probability), 6)});
    return out;
  }

  [[nodiscard]] std::string duplicates() const {
    std::string out = csv_line({"path", "label", "other path", "other label", "similarity"});
    for (const NearDuplicate& d : result_.duplicates) {
      const auto a = static_cast<std::size_t>(d.first), b = static_cast<std::size_t>(d.second);
      out += csv_line(
          {one_line(path(a)), one_line(label(a)), one_line(path(b)), one_line(label(b)), fixed(d.similarity, 4)});
    }
    return out;
  }

  /// One sentence: what to do next.
  [[nodiscard]] std::string advice() const {
    const MethodResult& best = result_.best();
    const std::vector<Index> counts =
        class_counts(std::span(collection_.images.labels).first(labelled_), collection_.class_names.size());
    const auto largest = std::max_element(counts.begin(), counts.end());
    if (best.interval.low <= static_cast<double>(*largest) / static_cast<double>(labelled_))
      return "Next: this is not surely better than always answering '" +
             name(static_cast<std::int32_t>(largest - counts.begin())) +
             "'; check that the encoder was pre-trained on such images, or label more.";
    // Of a classifier that is often wrong, most of what it doubts is right.
    if (best.accuracy > 0.85 && !result_.suspected.empty())
      return "Next: check the " + plural(result_.suspected.size(), "suspected label") + " in suspected_labels.csv.";
    if (best.accuracy > 0.97)
      return "Next: look through the least certain images in gallery.html; little else is to be gained.";
    return "Next: fill in the column 'label' of label_next.csv and run again with it as one more table of labels.";
  }

  [[nodiscard]] std::string page() const {
    const MethodResult& best = result_.best();
    Document doc;
    doc.title = plural(unlabelled(), "image") + " by " + plural(labelled_, "label");
    doc.lead("Cross-validated accuracy " + accuracy_text(best) + ", by " + words(best.method) + ".");
    doc.paragraph(advice());
    add_methods(doc);
    if (!result_.next.empty()) {
      doc.heading("Label next");
      doc.paragraph("These stand for most of what is still uncertain, the best first (label_next.csv).");
      doc.gallery(next_tiles());
    }
    if (!result_.suspected.empty()) {
      doc.heading("Suspected labels");
      doc.paragraph("Classifiers that did not see these are surer of another class (suspected_labels.csv).");
      doc.gallery(suspected_tiles());
    }
    if (!result_.duplicates.empty()) {
      doc.heading("Nearly the same images");
      doc.paragraph(
          "Pairs of which one has a label (near_duplicates.csv). Copies among the labelled images make the "
          "cross-validated accuracy too high.");
      doc.gallery(duplicate_tiles());
    }
    add_gallery(doc);
    return to_html(doc);
  }

 private:
  [[nodiscard]] std::size_t unlabelled() const { return static_cast<std::size_t>(collection_.unlabelled()); }
  [[nodiscard]] const std::string& path(std::size_t image) const { return collection_.paths[image]; }
  [[nodiscard]] const std::string& name(std::int32_t label) const {
    return collection_.class_names[static_cast<std::size_t>(label)];
  }
  [[nodiscard]] std::string words(ClassifyMethod method) const {
    return std::string(words_of(method)) + (method == ClassifyMethod::selftrain ? words_of(result_.teacher) : "");
  }
  // Of image i: its class, or nothing.
  [[nodiscard]] std::string label(std::size_t i) const {
    return i < labelled_ ? name(collection_.images.labels[i]) : std::string();
  }
  // Of the unlabelled image i.
  [[nodiscard]] const float* row(std::size_t i) const {
    return result_.probabilities.data() + i * collection_.class_names.size();
  }
  [[nodiscard]] float confidence(std::size_t i) const {
    return *std::max_element(row(i), row(i) + collection_.class_names.size());
  }
  [[nodiscard]] const std::string& guess(std::size_t i) const {
    return collection_.class_names[static_cast<std::size_t>(
        std::max_element(row(i), row(i) + collection_.class_names.size()) - row(i))];
  }

  [[nodiscard]] Tile tile(std::size_t image, const std::string& title, std::string note) const {
    const ImageSet& set = collection_.images;
    const Index height = std::min(set.height, kTileSide), width = std::min(set.width, kTileSide);
    const std::uint8_t* pixels = set.image(static_cast<Index>(image));
    ImageSet small;
    if (height != set.height || width != set.width) {
      ImageSet one{1, set.height, set.width, set.channels, {pixels, pixels + set.image_bytes()}, {}};
      small = resize_and_crop(one, height, width);
      pixels = small.image(0);
    }
    const std::vector<std::uint8_t> png = encode_png(pixels, height, width, set.channels);
    return {{png.begin(), png.end()}, abridged(title, 24), std::move(note)};
  }
  [[nodiscard]] static std::string file_of(const std::string& path) {
    return abridged(std::filesystem::path(path).filename().string(), 24);
  }

  void add_methods(Document& doc) const {
    Rows rows{{"Method", "Cross-validated accuracy", "Right", "Log-loss (nats)"}};
    for (std::size_t i = 0; i < result_.methods.size(); ++i) {
      const MethodResult& r = result_.methods[i];
      rows.push_back({{words(r.method), Ink::none, i == result_.chosen},
                      accuracy_text(r),
                      std::to_string(r.right) + " of " + std::to_string(labelled_),
                      fixed(r.log_loss, 3)});
    }
    doc.heading("Methods");
    doc.table(std::move(rows),
              "Every labelled image is answered by a classifier that did not see it. The best of "
              "several is a little better here than on new images.");
  }

  [[nodiscard]] std::vector<Tile> next_tiles() const {
    std::vector<Tile> out;
    for (const LabelNext& n : result_.next) {
      const auto i = static_cast<std::size_t>(n.image);
      if (out.size() < kMostTiles) out.push_back(tile(labelled_ + i, guess(i) + "?", file_of(path(labelled_ + i))));
    }
    return out;
  }

  [[nodiscard]] std::vector<Tile> suspected_tiles() const {
    std::vector<Tile> out;
    for (const SuspectedLabel& s : result_.suspected) {
      const auto i = static_cast<std::size_t>(s.image);
      if (out.size() < kMostTiles)
        out.push_back(tile(i, name(s.label), "rather " + name(s.suggested) + "? " + file_of(path(i))));
    }
    return out;
  }

  [[nodiscard]] std::vector<Tile> duplicate_tiles() const {
    std::vector<Tile> out;
    for (const NearDuplicate& d : result_.duplicates)
      for (const Index image : {d.first, d.second}) {
        const auto i = static_cast<std::size_t>(image);
        if (out.size() < kMostTiles) out.push_back(tile(i, i < labelled_ ? label(i) : "no label", file_of(path(i))));
      }
    return out;
  }

  void add_gallery(Document& doc) const {
    std::vector<std::size_t> order(unlabelled());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return confidence(a) > confidence(b); });
    const std::size_t shown = std::min(order.size(), kMostTiles);
    std::vector<Tile> tiles;
    for (std::size_t k = 0; k < shown; ++k) {
      const std::size_t i = order[k * order.size() / shown];
      tiles.push_back(tile(labelled_ + i, guess(i),
                           percent(static_cast<double>(confidence(i)), 0) + " " + file_of(path(labelled_ + i))));
    }
    doc.heading("All answers");
    doc.paragraph("By confidence, the surest first (predictions.csv has every class's probability)." +
                  (shown < order.size()
                       ? " " + grouped(static_cast<std::int64_t>(shown)) + " of " +
                             grouped(static_cast<std::int64_t>(order.size())) + " images are shown, evenly spread."
                       : std::string()));
    doc.gallery(std::move(tiles));
  }

  const Collection& collection_;
  const ClassifyResult& result_;
  std::size_t labelled_;
};

}  // namespace report::detail

/// Writes predictions.csv, label_next.csv, suspected_labels.csv, near_duplicates.csv, gallery.html and
/// classifier.safetensors into a folder. Returns one sentence that says what to do next. Throws InputError where a file
/// cannot be written.
inline std::string write_classify_report(const Collection& collection, ClassifyResult& result,
                                         const std::filesystem::path& out) {
  const report::detail::ClassifyPages pages(collection, result);
  result.classifier.save(out / "classifier.safetensors");
  report::write_file(out / "predictions.csv", pages.predictions());
  report::write_file(out / "label_next.csv", pages.label_next());
  report::write_file(out / "suspected_labels.csv", pages.suspected());
  report::write_file(out / "near_duplicates.csv", pages.duplicates());
  report::write_file(out / "gallery.html", pages.page());
  return pages.advice();
}

}  // namespace contexture
