// SPDX-License-Identifier: MIT
// A document as one HTML page that needs nothing beside it: no fonts, no links, and no scripts but those inside,
// without which it says the same.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>

#include "contexture/report/document.hpp"
#include "contexture/report/escape.hpp"
#include "contexture/report/page_script.hpp"
#include "contexture/report/page_style.hpp"
#include "contexture/report/palette.hpp"
#include "contexture/report/uplot.hpp"

namespace contexture::report::detail {

/// An SVG file of gnuplot as an element for the page: no prologue, no namespaces, colours of the palette turned into
/// page variables so that they follow light and dark, ids made unique by `prefix`.
[[nodiscard]] inline std::string embedded_svg(std::string svg, const std::string& prefix,
                                              std::string_view description) {
  const std::size_t root = svg.find("<svg");
  if (root == std::string::npos) return {};
  svg.erase(0, root);
  const std::size_t root_end = svg.find('>');
  const std::size_t box = svg.find("viewBox=\"");
  if (root_end == std::string::npos || box > root_end) return {};
  const std::string view = svg.substr(box, svg.find('"', box + 9) + 1 - box);
  int width = 0;
  std::sscanf(view.c_str(), "viewBox=\"%*d %*d %d", &width);
  svg = "<svg " + view + " style=\"max-width:" + std::to_string(width) + "px\" role=\"img\" aria-label=\"" +
        html_escaped(description) + "\">" + svg.substr(root_end + 1);
  for (const std::string_view tag : {"title", "desc"}) {
    const std::size_t from = svg.find("<" + std::string(tag) + ">"), to = svg.find("</" + std::string(tag) + ">");
    if (from != std::string::npos && to != std::string::npos) svg.erase(from, to + tag.size() + 3 - from);
  }
  svg = replaced(std::move(svg), "xlink:href='#", "href='#" + prefix + "_");
  svg = replaced(std::move(svg), " id='", " id='" + prefix + "_");
  svg = replaced(std::move(svg), " id=\"", " id=\"" + prefix + "_");
  svg = replaced(std::move(svg), "url(#", "url(#" + prefix + "_");
  svg = replaced(std::move(svg), " font-family=\"DejaVu Sans,Verdana,sans-serif\"", "");
  svg = replaced(std::move(svg), "\t", "");
  std::string out;
  std::size_t at = 0;
  for (std::size_t found; (found = svg.find("rgb(", at)) != std::string::npos;) {
    const std::size_t close = svg.find(')', found);
    if (close == std::string::npos) break;
    std::array<int, 3> colour{-1, -1, -1};
    std::sscanf(svg.c_str() + found, "rgb(%d ,%d ,%d", colour.data(), &colour[1], &colour[2]);
    std::string paint = svg.substr(found, close + 1 - found);
    for (std::size_t i = 1; i < kInks.size(); ++i)
      if (rgb(static_cast<Ink>(i)) == colour) paint = std::string("var(") + kInks[i].variable + ")";
    out += svg.substr(at, found - at) + paint;
    at = close + 1;
  }
  return out + svg.substr(at);
}

/// Escaped for the page, with numbers kept on one line with their percent sign.
[[nodiscard]] inline std::string page_text(std::string_view text) {
  return replaced(html_escaped(text), " %", "\u00a0%");
}

/// What a cell shows: its arm's dot, its text.
[[nodiscard]] inline std::string html_cell(const Cell& cell) {
  if (cell.text.empty()) return {};
  std::string words = page_text(cell.text);
  if (cell.arm != Ink::none)
    words = std::string("<i class=\"dot\" style=\"background:var(") + colours(cell.arm).variable + ")\"></i>" + words;
  return cell.strong ? "<strong>" + words + "</strong>" : words;
}

/// A table. A cell names its column, and a first cell that is empty repeats the one above, for narrow pages, where
/// every row stands for itself, and for sorted ones. The roles are what such a layout takes from the elements.
[[nodiscard]] inline std::string html_table(const Block& b) {
  if (b.rows.empty()) return {};
  std::string out = "<div class=\"table\"><div class=\"scroll\"><table role=\"table\">\n<thead><tr role=\"row\">";
  for (const Cell& cell : b.rows[0]) out += "<th scope=\"col\" role=\"columnheader\">" + html_cell(cell) + "</th>";
  out += "</tr></thead>\n<tbody>\n";
  Cell first("");
  for (std::size_t i = 1; i < b.rows.size(); ++i) {
    out += b.group > 0 && (i - 1) % b.group == 0 ? "<tr role=\"row\" class=\"group\">" : "<tr role=\"row\">";
    for (std::size_t c = 0; c < b.rows[i].size(); ++c) {
      const Cell& cell = b.rows[i][c];
      const bool again = c == 0 && cell.text.empty();
      if (c == 0 && !again) first = cell;
      out += std::string("<td role=\"cell\"") + (again ? " class=\"again\"" : "") + " data-label=\"" +
             (c < b.rows[0].size() ? page_text(b.rows[0][c].text) : "") + "\">" + html_cell(again ? first : cell) +
             "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table></div>\n" +
         (b.text.empty() ? "" : "<p class=\"note\">" + page_text(b.text) + "</p>\n") + "</div>\n";
}

[[nodiscard]] inline std::string html_facts(const Block& b) {
  std::string out = "<table class=\"facts\">\n";
  for (const auto& row : b.rows) {
    out += "<tr>";
    for (const Cell& cell : row) out += "<td>" + html_cell(cell) + "</td>";
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

[[nodiscard]] inline std::string html_cards(const Block& b) {
  std::string out = "<div class=\"cards\">\n";
  for (const Card& c : b.cards)
    out += "<div class=\"card\"><span class=\"title\">" + page_text(c.title) + "</span><b style=\"color:var(" +
           colours(c.tone).variable + ")\">" + page_text(c.value) + "</b><span>" + page_text(c.note) +
           "</span></div>\n";
  return out + "</div>\n";
}

[[nodiscard]] inline std::string html_gallery(const Block& b) {
  std::string out = "<div class=\"gallery\">\n";
  for (const Tile& t : b.tiles)
    out += "<div class=\"tile\"><img alt=\"\" src=\"data:image/png;base64," + base64(t.png) + "\"/><b>" +
           page_text(t.title) + "</b><span>" + page_text(t.note) + "</span></div>\n";
  return out + "</div>\n";
}

/// "2026-11-29 18:52:24 UTC"
[[nodiscard]] inline std::string utc_text(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 64> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &parts);
  return {text.data(), length};
}

/// What the head of a page has whose run goes on: where no script does it better, the page is loaded again.
[[nodiscard]] inline std::string html_refresh(const Document& doc) {
  if (!doc.status || !doc.status->going) return {};
  return "<noscript><meta http-equiv=\"refresh\" content=\"" + std::to_string(std::lround(doc.status->every)) +
         "\"></noscript>\n";
}

/// Where the run is. No page claims for ever that a run lives: the words say when they were written.
[[nodiscard]] inline std::string html_status(const PageStatus& s) {
  const std::string every = std::to_string(std::lround(s.every));
  std::string out = "<div class=\"status\" id=\"run-status\" data-written=\"" + std::to_string(s.written) +
                    "\" data-every=\"" + every + "\"" + (s.going ? " data-going" : "") +
                    ">\n<p role=\"status\"><strong>" + page_text(s.headline) + "</strong></p>\n";
  for (const std::string& line : s.lines) out += "<p>" + page_text(line) + "</p>\n";
  if (s.share)
    out += "<progress max=\"1000\" value=\"" + std::to_string(std::lround(1000 * *s.share)) +
           "\" aria-label=\"Share of the run that is done\"></progress>\n";
  return out + "<p class=\"note\">Written at " + utc_text(s.written) +
         (s.going ? ", and again every " + every +
                        " s while the run goes on. Where that is minutes ago, the run has ended without finishing."
                  : ".") +
         "</p>\n</div>\n";
}

/// The page. Lead and paragraphs before any other block are its header; every heading begins a section.
[[nodiscard]] inline std::string to_html(const Document& doc) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n" +
      html_refresh(doc) + "<title>" + page_text(doc.title) + "</title>\n<style>\n" + page_style() +
      (doc.data.empty() ? std::string() : std::string(kUplotStyle) + "\n") +
      "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>" + page_text(doc.title) + "</h1>\n" +
      (doc.status ? html_status(*doc.status) : std::string());
  bool in_header = true, in_section = false;
  const auto leave_header = [&] {
    if (in_header) out += "</header>\n";
    in_header = false;
  };
  for (const Block& b : doc.blocks) {
    if (b.kind != Block::Kind::lead && b.kind != Block::Kind::paragraph) leave_header();
    const std::string text = page_text(b.text);
    switch (b.kind) {
      case Block::Kind::heading:
        out += std::string(in_section ? "</section>\n" : "") + "<section>\n<h2>" + text + "</h2>\n";
        in_section = true;
        break;
      case Block::Kind::subheading: out += "<h3>" + text + "</h3>\n"; break;
      case Block::Kind::lead: out += "<p class=\"lead\">" + text + "</p>\n"; break;
      case Block::Kind::paragraph: out += (in_header ? "<p class=\"quiet\">" : "<p>") + text + "</p>\n"; break;
      case Block::Kind::run_in: out += "<p><strong>" + page_text(b.label) + ".</strong> " + text + "</p>\n"; break;
      case Block::Kind::cards: out += html_cards(b); break;
      case Block::Kind::gallery: out += html_gallery(b); break;
      case Block::Kind::facts: out += html_facts(b); break;
      case Block::Kind::table: out += html_table(b); break;
      case Block::Kind::figure:
        out += "<figure id=\"figure-" + page_text(b.label.substr(0, b.label.rfind('.'))) + "\">" + b.svg +
               "\n<figcaption>" + text + "</figcaption></figure>\n";
        break;
      case Block::Kind::explore:
        out += "<div class=\"explore\" id=\"explore-" + b.label + "\" data-fraction=\"" + text + "\" hidden></div>\n";
        if (doc.status && doc.status->going && b.label == "curves")
          out += "<noscript><p class=\"note\">While the run goes on, its curves need scripts.</p></noscript>\n";
        break;
      case Block::Kind::details_begin: out += "<details><summary>" + text + "</summary>\n"; break;
      case Block::Kind::details_end: out += "</details>\n"; break;
    }
  }
  leave_header();
  out += std::string(in_section ? "</section>\n" : "") + "</main>\n";
  if (!doc.data.empty())
    out += "<script type=\"application/json\" id=\"run-data\">" + doc.data + "</script>\n<script>" +
           std::string(kUplotScript) + "</script>\n<script>" + std::string(kPageScript) + "</script>\n";
  return out + "</body>\n</html>\n";
}

}  // namespace contexture::report::detail
