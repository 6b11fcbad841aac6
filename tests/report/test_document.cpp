// SPDX-License-Identifier: MIT
// One document, written as Markdown and as a page.
#include <string>

#include "contains.hpp"
#include "contexture/report/html.hpp"
#include "contexture/report/markdown.hpp"
#include "report_files.hpp"
#include "support/catch.hpp"

using namespace contexture::report::detail;

TEST_CASE("a document comes out the same as Markdown and as a page", "[report]") {
  Document doc;
  doc.title = "A & B";
  doc.lead("First.");
  doc.paragraph("");
  doc.cards({{"10 %", "+2.9", "points", Ink::right}});
  doc.heading("Numbers");
  doc.table({{"a", "b", "c"}, {"1", Cell("x|y", Ink::scratch), Cell("3", Ink::none, true)}, {"4", "5", "6"}}, "A note.",
            2);
  doc.run_in("So", "it is.");
  doc.run_in("Left out", "");
  doc.figure("file.png", "<svg></svg>", "A caption.");
  doc.details_begin("More");
  doc.facts({{"name", "value"}});
  doc.details_end();
  CHECK(to_markdown(doc) ==
        "# A & B\n\n**First.**\n\n- 10 %: **+2.9** points\n\n## Numbers\n\n"
        "| a | b | c |\n|---|---|---:|\n| 1 | x\\|y | **3** |\n| 4 | 5 | 6 |\n\nA note.\n\n"
        "**So.** it is.\n\n![A caption.](file.png)\n\nA caption.\n\n## More\n\n| | |\n|---|---|\n| name | value |\n");
  const std::string html = to_html(doc);
  check_balanced(html);
  check_self_contained(html);
  for (const char* part :
       {"<h1>A &amp; B</h1>", "<p class=\"lead\">First.</p>\n</header>", "<b style=\"color:var(--right)\">+2.9</b>",
        "<section>\n<h2>Numbers</h2>", "<th scope=\"col\" role=\"columnheader\">c</th>",
        "<tr role=\"row\" class=\"group\"><td role=\"cell\" data-label=\"a\">1</td>",
        "<tr role=\"row\"><td role=\"cell\" data-label=\"a\">4</td>", "var(--scratch)\"></i>x|y</td>",
        "data-label=\"c\"><strong>3</strong></td>", "<p class=\"note\">A note.</p>",
        "<figcaption>A caption.</figcaption>", "<details><summary>More</summary>\n<table class=\"facts\">"}) {
    INFO(part);
    CHECK(contains(html, part));
  }
  CHECK_FALSE(contains(html, "Left out"));
}

TEST_CASE("a figure of gnuplot in the page follows its colours and keeps its ids apart", "[report]") {
  const std::string svg =
      "<?xml version=\"1.0\"?>\n<svg width=\"9\" viewBox=\"0 0 640 480\">\n<title>t</title>"
      "<g id=\"a\" stroke='rgb(213,  94,   0)'/><use xlink:href='#a'/><g fill=\"rgb(1, 2, 3)\"/></svg>";
  const std::string out = embedded_svg(svg, "loss", "a < b");
  CHECK(out.rfind("<svg viewBox=\"0 0 640 480\" style=\"max-width:640px\" role=\"img\" aria-label=\"a &lt; b\">", 0) ==
        0);
  CHECK(contains(out, "id=\"loss_a\""));
  CHECK(contains(out, "href='#loss_a'"));
  CHECK(contains(out, "stroke='var(--scratch)'"));
  CHECK(contains(out, "rgb(1, 2, 3)"));  // no colour of the palette
  CHECK_FALSE(contains(out, "<title>"));
  CHECK(embedded_svg("no figure", "x", "y").empty());
}

TEST_CASE("a gallery: images in the page, their words in Markdown", "[report]") {
  Document doc;
  doc.title = "Images";
  doc.gallery({});  // is left out
  doc.gallery({{"png", "a & b", "90 %"}, {"x", "c|d", ""}});
  REQUIRE(doc.blocks.size() == 1);
  CHECK(to_markdown(doc).find("- a & b: 90 %\n- c\\|d: \n") != std::string::npos);
  const std::string html = to_html(doc);
  check_balanced(html);
  check_self_contained(html);
  CHECK(html.find("<img alt=\"\" src=\"data:image/png;base64,cG5n\"/><b>a &amp; b</b><span>90\u00a0%</span>") !=
        std::string::npos);
}
