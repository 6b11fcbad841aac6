// SPDX-License-Identifier: MIT
// A document as one HTML page that needs nothing beside it: no scripts, no fonts, no links.
#pragma once

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "contexture/report/document.hpp"
#include "contexture/report/escape.hpp"
#include "contexture/report/palette.hpp"

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

/// The page's style: system letters, one column, the palette in light and dark, print without waste.
[[nodiscard]] inline std::string page_style() {
  std::string light_set, dark_set;
  for (std::size_t i = 1; i < kInks.size(); ++i) {
    light_set += std::string(kInks[i].variable) + ":" + kInks[i].light + ";";
    dark_set += std::string(kInks[i].variable) + ":" + kInks[i].dark + ";";
  }
  return ":root{color-scheme:light dark;" + light_set + "--page:#f4f6f8}\n@media (prefers-color-scheme:dark){:root{" +
         dark_set + "--page:#0f1318}}\n" + R"(*{box-sizing:border-box}
html{background:var(--page)}
body{margin:0;color:var(--text);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
  font-variant-numeric:tabular-nums;-webkit-text-size-adjust:100%}
main{max-width:1160px;margin:0 auto;padding:56px 32px 80px}
header,section>p,section>h3{max-width:800px}
h1{font-size:34px;line-height:1.2;letter-spacing:-.015em;margin:0 0 8px;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:23px;line-height:1.3;letter-spacing:-.01em;margin:64px 0 12px;padding-top:16px;border-top:1px solid var(--line)}
h3{font-size:17px;margin:36px 0 4px}
p{margin:10px 0;overflow-wrap:break-word}
.lead{font-size:20px;line-height:1.5;margin:14px 0 0}
.quiet,figcaption,caption{color:var(--muted)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(230px,1fr));gap:16px;margin:32px 0 8px}
.card{background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:18px 20px}
.card b{display:block;font-size:40px;line-height:1.15;letter-spacing:-.02em;font-weight:650;margin:2px 0 4px}
.card span{display:block;font-size:14px;color:var(--muted);line-height:1.45}
.card .title{color:var(--text);font-weight:600}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(116px,1fr));gap:12px;margin:20px 0 28px}
.tile{background:var(--paper);border:1px solid var(--line);border-radius:10px;padding:10px;font-size:13px;line-height:1.35;overflow-wrap:anywhere}
.tile img{display:block;width:100%;height:auto;image-rendering:pixelated;border-radius:4px;margin:0 0 6px}
.tile span{display:block;color:var(--muted);font-size:12px}
figure{margin:24px 0 32px;background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:20px;overflow:hidden}
figure svg{display:block;width:100%;height:auto;margin:0 auto;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
figure .scroll{overflow-x:auto}
figcaption{font-size:14px;line-height:1.5;margin:14px 0 0;max-width:800px}
.scroll{overflow-x:auto}
.table{background:var(--paper);border:1px solid var(--line);border-radius:12px;margin:20px 0 28px;padding:4px 20px 16px}
table{border-collapse:collapse;width:100%;font-size:14.5px;line-height:1.4}
th,td{padding:9px 14px 9px 0;text-align:right;vertical-align:baseline;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
th{font-size:13px;font-weight:600;color:var(--muted);white-space:normal;vertical-align:bottom;border-bottom:1px solid var(--line)}
.table th:nth-child(-n+2),.table td:nth-child(-n+2){text-align:left}
tr.group td{border-top:1px solid var(--line)}
tr.group:first-child td{border-top:0}
.facts{margin:20px 0}
.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere;border-top:1px solid var(--line)}
.facts tr:first-child td{border-top:0}
.facts td:first-child{color:var(--muted);width:220px;white-space:nowrap}
.note{font-size:14px;color:var(--muted);line-height:1.5;margin:12px 0 0;max-width:800px}
i.dot{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:8px}
details{margin:32px 0;border-top:1px solid var(--line);padding-top:16px}
summary{cursor:pointer;font-size:17px;font-weight:600}
@media (max-width:720px){main{padding:32px 16px 48px}h1{font-size:27px}.lead{font-size:18px}figure{padding:12px}
  figure svg{min-width:720px}.table{padding:2px 14px 12px}.facts td:first-child{width:auto;white-space:normal}}
@media print{:root{)" +
         light_set + R"(--page:#fff}body{font-size:11pt}main{max-width:none;padding:0}
  figure,.table,.card{break-inside:avoid;border-color:#bbb}h2,h3{break-after:avoid}h2{margin-top:28px}details>*{display:block}}
)";
}

/// Escaped for the page, with numbers kept on one line with their percent sign.
[[nodiscard]] inline std::string page_text(std::string_view text) {
  return replaced(html_escaped(text), " %", "\u00a0%");
}

/// The row's cells, each as an element `tag` ("td", "th"): its arm's dot, its text.
[[nodiscard]] inline std::string html_cells(const std::vector<Cell>& row, const std::string& tag) {
  std::string out;
  for (const Cell& cell : row) {
    std::string words = page_text(cell.text);
    if (cell.arm != Ink::none)
      words = std::string("<i class=\"dot\" style=\"background:var(") + colours(cell.arm).variable + ")\"></i>" + words;
    if (cell.strong) words = "<strong>" + words + "</strong>";
    out += "<" + tag + ">" + words + "</" + tag + ">";
  }
  return out;
}

[[nodiscard]] inline std::string html_table(const Block& b) {
  if (b.rows.empty()) return {};
  std::string out = "<div class=\"table\"><div class=\"scroll\"><table>\n<thead><tr>" + html_cells(b.rows[0], "th") +
                    "</tr></thead>\n<tbody>\n";
  for (std::size_t i = 1; i < b.rows.size(); ++i)
    out += (b.group > 0 && (i - 1) % b.group == 0 ? "<tr class=\"group\">" : "<tr>") + html_cells(b.rows[i], "td") +
           "</tr>\n";
  return out + "</tbody>\n</table></div>\n" +
         (b.text.empty() ? "" : "<p class=\"note\">" + page_text(b.text) + "</p>\n") + "</div>\n";
}

[[nodiscard]] inline std::string html_facts(const Block& b) {
  std::string out = "<table class=\"facts\">\n";
  for (const auto& row : b.rows) out += "<tr>" + html_cells(row, "td") + "</tr>\n";
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

/// The page. Lead and paragraphs before any other block are its header; every heading begins a section.
[[nodiscard]] inline std::string to_html(const Document& doc) {
  std::string out =
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n<title>" +
      page_text(doc.title) + "</title>\n<style>\n" + page_style() +
      "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>" + page_text(doc.title) + "</h1>\n";
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
        out += "<figure><div class=\"scroll\">" + b.svg + "</div>\n<figcaption>" + text + "</figcaption></figure>\n";
        break;
      case Block::Kind::details_begin: out += "<details><summary>" + text + "</summary>\n"; break;
      case Block::Kind::details_end: out += "</details>\n"; break;
    }
  }
  leave_header();
  return out + (in_section ? "</section>\n" : "") + "</main>\n</body>\n</html>\n";
}

}  // namespace contexture::report::detail
