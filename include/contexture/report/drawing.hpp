// SPDX-License-Identifier: MIT
// Draws the figures of a report into its folder, and keeps account of what could not be drawn: figures are worth less
// than the numbers they show.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "contexture/core/error.hpp"
#include "contexture/report/curve_drawing.hpp"
#include "contexture/report/curve_figure.hpp"
#include "contexture/report/files.hpp"
#include "contexture/report/html.hpp"
#include "contexture/report/page_parts.hpp"
#include "contexture/report/scene.hpp"
#include "contexture/report/text.hpp"

namespace contexture::report::detail {

class Drawing {
 public:
  explicit Drawing(std::filesystem::path out) : out_(std::move(out)) {}

  /// Writes `name`.svg and `name`.png. Without a figure, or where it cannot be drawn, those of an earlier report go.
  void curves(const std::string& name, const std::optional<CurveFigure>& figure) {
    if (!figure) return keep(name, {".svg", ".png"}, "");
    const std::string trouble = attempt([&](const auto& folder) { return draw_figure(*figure, folder); });
    if (trouble.empty())
      for (const char* const shape : {"", "_narrow"}) {
        const std::string file = name + shape;
        drawn_.svg[name] +=
            std::string(shape[0] == 0 ? "<div class=\"wide\">" : "<div class=\"narrow\">") +
            embedded_svg(read_file(folder_->path() / (file + ".svg")).value_or(""), file, figure->description) +
            "</div>";
      }
    keep(name, {".svg", ".png"}, trouble);
  }

  /// Writes `name`.png likewise; in the page the scene needs no file.
  void picture(const std::string& name, const std::optional<Plates>& scene, const char* description) {
    if (!scene) return keep(name, {".png"}, "");
    drawn_.svg[name] = scene->svg(description);
    keep(name, {".png"}, attempt([&](const auto& folder) { return scene->joined().png(folder, name); }));
  }

  [[nodiscard]] const DrawnFigures& figures() const { return drawn_; }

  /// What could not be drawn, and why, on one line; empty: nothing.
  [[nodiscard]] std::string trouble() const {
    return missing_.empty() ? std::string() : first_trouble_ + "; not drawn: " + listed(missing_);
  }

 private:
  /// Runs draw(folder) on a temporary folder, which all figures share. Empty: it worked; else why not.
  template <class Draw>
  std::string attempt(Draw draw) {
    try {
      if (!folder_) folder_.emplace();
      return draw(folder_->path());
    } catch (const InputError& error) {
      return error.what();
    }
  }

  /// Moves what was drawn into the report's folder, or removes what an earlier report left there.
  void keep(const std::string& name, const std::vector<std::string>& endings, const std::string& trouble) {
    for (const std::string& ending : endings) {
      const std::string file = name + ending;
      if (const auto bytes = trouble.empty() && folder_ ? read_file(folder_->path() / file) : std::nullopt) {
        write_file(out_ / file, *bytes);
      } else {
        std::error_code ignored;
        std::filesystem::remove(out_ / file, ignored);
      }
    }
    if (trouble.empty()) return;
    drawn_.trouble[name] = trouble;
    missing_.push_back(name);
    if (first_trouble_.empty()) first_trouble_ = trouble;
  }

  std::filesystem::path out_;
  std::optional<TemporaryFolder> folder_;
  DrawnFigures drawn_;
  std::string first_trouble_;
  std::vector<std::string> missing_;
};

}  // namespace contexture::report::detail
