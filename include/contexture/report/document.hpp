// SPDX-License-Identifier: MIT
// A document as a list of blocks. What the blocks say is page.hpp's business; markdown.hpp and html.hpp write them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "contexture/report/palette.hpp"

namespace contexture::report::detail {

/// One table cell. `arm` puts the arm's colour before the text (HTML only).
struct Cell {
  Cell(std::string words, Ink mark = Ink::none, bool is_strong = false)
      : text(std::move(words)), arm(mark), strong(is_strong) {}
  Cell(const char* words) : text(words) {}
  std::string text;
  Ink arm = Ink::none;
  bool strong = false;
};

/// A table's cells, row by row.
using Rows = std::vector<std::vector<Cell>>;

/// A number that stands out: "10 % of the labels", "+2.9", "points of test accuracy ...".
struct Card {
  std::string title, value, note;
  Ink tone = Ink::text;
};

/// One image of many.
struct Tile {
  std::string png;          ///< the file's bytes
  std::string title, note;  ///< below the image
};

/// A heading, a paragraph, a table, a figure; what its text is depends on the kind.
struct Block {
  enum class Kind {
    heading,
    subheading,
    lead,
    paragraph,
    run_in,
    table,
    facts,
    figure,
    cards,
    gallery,
    explore,
    details_begin,
    details_end
  };
  Kind kind = Kind::paragraph;
  std::string text;   ///< running text, heading, or caption
  std::string label;  ///< run-in heading, file name of a figure, or what is explored
  Rows rows;          ///< table: the first row is the header; facts: name and value
  std::vector<Card> cards;
  std::vector<Tile> tiles;  ///< gallery
  std::string svg;          ///< figure: the element to put into the page
  std::size_t group = 0;    ///< table: rows that belong together; 0: all
};

/// What a page says of itself whose run is not finished.
struct PageStatus {
  std::string headline = {};            ///< "The run goes on."
  std::vector<std::string> lines = {};  ///< a paragraph each
  std::optional<double> share = {};     ///< done, 0..1
  bool going = false;                   ///< it is written again, so that readers load it again
  std::int64_t written = 0;             ///< seconds since 1970
  double every = 10;                    ///< seconds between two writes
};

/// Title and blocks, in the order of reading. Empty paragraphs are left out.
struct Document {
  std::string title;
  std::vector<Block> blocks;
  std::string data;                  ///< JSON for the page's script; empty: the page has none
  std::optional<PageStatus> status;  ///< HTML only

  void heading(std::string text) { add(Block::Kind::heading, std::move(text)); }
  void subheading(std::string text) { add(Block::Kind::subheading, std::move(text)); }
  void lead(std::string text) { add(Block::Kind::lead, std::move(text)); }
  void paragraph(std::string text) {
    if (!text.empty()) add(Block::Kind::paragraph, std::move(text));
  }
  void run_in(std::string label, std::string text) {
    if (!text.empty()) add(Block::Kind::run_in, std::move(text)).label = std::move(label);
  }
  /// `group`: rows that belong together; 0: all.
  void table(Rows rows, std::string caption, std::size_t group = 0) {
    Block& block = add(Block::Kind::table, std::move(caption));
    block.rows = std::move(rows);
    block.group = group;
  }
  void facts(Rows rows) { add(Block::Kind::facts, {}).rows = std::move(rows); }
  void cards(std::vector<Card> items) { add(Block::Kind::cards, {}).cards = std::move(items); }
  /// Images side by side; Markdown lists their words only.
  void gallery(std::vector<Tile> tiles) {
    if (!tiles.empty()) add(Block::Kind::gallery, {}).tiles = std::move(tiles);
  }
  /// `file` for Markdown, the element `svg` for the page.
  void figure(std::string file, std::string svg, std::string caption) {
    Block& block = add(Block::Kind::figure, std::move(caption));
    block.label = std::move(file);
    block.svg = std::move(svg);
  }
  /// A place for the page's script: "curves", "confusion", "gallery"; `first` is the label fraction it begins with.
  void explore(std::string what, std::string first) {
    add(Block::Kind::explore, std::move(first)).label = std::move(what);
  }
  void details_begin(std::string summary) { add(Block::Kind::details_begin, std::move(summary)); }
  void details_end() { add(Block::Kind::details_end, {}); }

 private:
  Block& add(Block::Kind kind, std::string text) {
    Block& block = blocks.emplace_back();
    block.kind = kind;
    block.text = std::move(text);
    return block;
  }
};

}  // namespace contexture::report::detail
