// SPDX-License-Identifier: MIT
// A document as Markdown.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "contexture/report/document.hpp"
#include "contexture/report/escape.hpp"

namespace contexture::report::detail {

[[nodiscard]] inline std::string to_markdown(const Document& doc) {
  std::string out = "# " + markdown_escaped(doc.title) + "\n";
  const auto row_of = [](const std::vector<Cell>& row) {
    std::string line = "|";
    for (const Cell& cell : row) {
      const std::string words = markdown_escaped(cell.text);
      line += " " + (cell.strong && !words.empty() ? "**" + words + "**" : words) + " |";
    }
    return line + "\n";
  };
  for (const Block& b : doc.blocks) {
    switch (b.kind) {
      case Block::Kind::heading: out += "\n## " + markdown_escaped(b.text) + "\n"; break;
      case Block::Kind::subheading: out += "\n### " + markdown_escaped(b.text) + "\n"; break;
      case Block::Kind::lead: out += "\n**" + markdown_escaped(b.text) + "**\n"; break;
      case Block::Kind::paragraph: out += "\n" + markdown_escaped(b.text) + "\n"; break;
      case Block::Kind::run_in:
        out += "\n**" + markdown_escaped(b.label) + ".** " + markdown_escaped(b.text) + "\n";
        break;
      case Block::Kind::cards:
        out += "\n";
        for (const Card& c : b.cards)
          out += "- " + markdown_escaped(c.title) + ": **" + markdown_escaped(c.value) + "** " +
                 markdown_escaped(c.note) + "\n";
        break;
      case Block::Kind::gallery:
        out += "\n";
        for (const Tile& t : b.tiles) out += "- " + markdown_escaped(t.title) + ": " + markdown_escaped(t.note) + "\n";
        break;
      case Block::Kind::facts:
        out += "\n| | |\n|---|---|\n";
        for (const auto& row : b.rows) out += row_of(row);
        break;
      case Block::Kind::table:
        if (b.rows.empty()) break;
        out += "\n" + row_of(b.rows[0]) + "|";
        for (std::size_t i = 0; i < b.rows[0].size(); ++i) out += i < 2 ? "---|" : "---:|";
        out += "\n";
        for (std::size_t i = 1; i < b.rows.size(); ++i) out += row_of(b.rows[i]);
        if (!b.text.empty()) out += "\n" + markdown_escaped(b.text) + "\n";
        break;
      case Block::Kind::figure:
        out += "\n![" + markdown_escaped(b.text) + "](" + b.label + ")\n\n" + markdown_escaped(b.text) + "\n";
        break;
      case Block::Kind::explore: break;
      case Block::Kind::details_begin: out += "\n## " + markdown_escaped(b.text) + "\n"; break;
      case Block::Kind::details_end: break;
    }
  }
  return out;
}

}  // namespace contexture::report::detail
