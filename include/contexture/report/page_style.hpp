// SPDX-License-Identifier: MIT
// The style of a report's page.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "contexture/report/palette.hpp"

namespace contexture::report::detail {

/// What follows the colours, up to those of print.
inline constexpr std::string_view kPageStyle = R"(*{box-sizing:border-box}
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
.status{max-width:800px;background:var(--paper);border:1px solid var(--line);border-left:4px solid var(--pretrained);
  border-radius:12px;padding:12px 20px;margin:18px 0}
.status p{margin:4px 0}.status strong{font-size:18px}.status.gone{border-left-color:var(--wrong)}
.status progress{width:100%;height:10px;margin:8px 0 4px;accent-color:var(--pretrained)}
.status .controls{margin:8px 0 0}
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
figure .narrow{display:none}
.plates{display:flex;flex-wrap:wrap;gap:20px;align-items:flex-start}
.plates .plate{flex:1 1 212px;min-width:0}
.plates .across{flex:1 1 100%}
figure .plates svg{margin:0}
.explore{margin:24px 0 32px;background:var(--paper);border:1px solid var(--line);border-radius:12px;padding:20px}
.script .replaced{display:none}
.controls{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;margin:0 0 12px;padding:0;border:0;font-size:14px;min-width:0}
.controls legend{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.controls label{max-width:100%}
.controls select,.controls button{font:inherit;color:var(--text);background:var(--shade);border:1px solid var(--line);
  border-radius:8px;padding:5px 10px;max-width:100%}
.controls button{cursor:pointer}
.tick{display:inline-flex;align-items:center;gap:6px;cursor:pointer}
.tick .dot{margin:0!important}
.chart{border-radius:6px;overflow:hidden;touch-action:pan-y}
.readout{display:flex;flex-wrap:wrap;gap:4px 18px;min-height:3.2em;align-content:flex-start;font-size:14px;margin:10px 0}
.confusion{width:auto;font-size:13px;border-collapse:separate;border-spacing:1px}
.confusion caption{text-align:left;padding:0 0 8px;font-size:13px}
.confusion td{padding:0;width:34px;min-width:26px;height:30px;text-align:center;vertical-align:middle;background:var(--shade)}
.confusion thead td{background:none}
.confusion th{border:0;padding:2px 8px 2px 0;text-align:right;vertical-align:middle;white-space:nowrap;font-weight:400;color:var(--text)}
.confusion thead th{padding:0;height:96px;vertical-align:bottom}
.confusion thead span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:120px;overflow:hidden}
.worst{font-size:14px;columns:260px;margin:16px 0 0;padding-left:24px}
.tile .right{color:var(--right)}.tile .wrong{color:var(--wrong)}
figcaption{font-size:14px;line-height:1.5;margin:14px 0 0;max-width:800px}
.scroll{overflow-x:auto}
.table{background:var(--paper);border:1px solid var(--line);border-radius:12px;margin:20px 0 28px;padding:4px 20px 16px}
table{border-collapse:collapse;width:100%;font-size:14.5px;line-height:1.4}
th,td{padding:9px 14px 9px 0;text-align:right;vertical-align:baseline;white-space:nowrap}
th:last-child,td:last-child{padding-right:0}
.script .table th button{all:unset;cursor:pointer;font:inherit;color:inherit}
.table th button:focus-visible,.chart:focus-visible{outline:2px solid var(--pretrained);outline-offset:2px}
th[aria-sort=ascending] button::after{content:" \25b2"}
th[aria-sort=descending] button::after{content:" \25bc"}
.script .table th button:hover{color:var(--text)}
table:not(.sorted) td.again{color:transparent}
table.sorted tr.group td{border-top:0}
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
@media (max-width:720px){main{padding:32px 16px 48px}h1{font-size:27px}.lead{font-size:18px}figure,.explore{padding:12px}
  .facts,.facts tbody,.facts tr,.facts td{display:block}.facts td{padding:2px 0;border:0}.facts td:first-child{width:auto}
  .facts tr{border-top:1px solid var(--line);padding:6px 0}.gallery{grid-template-columns:repeat(auto-fill,minmax(96px,1fr))}}
@media screen and (max-width:720px){figure .wide{display:none}figure .narrow{display:block}
  .table{padding:2px 14px 12px}
  .table table,.table tbody,.table tr,.table td{display:block}
  .table thead{display:none}.script .table thead{display:block}
  .script .table thead tr{display:flex;flex-wrap:wrap;gap:6px;padding:10px 0;border:0}
  .script .table th{border:1px solid var(--line);border-radius:8px;padding:3px 9px}
  .table tr,.table tr.group{border-top:1px solid var(--line);padding:8px 0}
  .table td,.table tr.group td,.table:not(.x) td.again{display:flex;justify-content:flex-end;align-items:baseline;padding:2px 0;border:0;
    text-align:right!important;white-space:normal;color:inherit}
  .table td::before{content:attr(data-label);color:var(--muted);text-align:left;font-weight:400;margin-right:auto;padding-right:16px}
  .table td:empty{display:none}}
@media print{:root{)";

/// What follows them.
inline constexpr std::string_view kPrintStyle = R"(--page:#fff}body{font-size:11pt}main{max-width:none;padding:0}
  figure,.table,.card{break-inside:avoid;border-color:#bbb}h2,h3{break-after:avoid}h2{margin-top:28px}details>*{display:block}
  .explore,.status .controls{display:none}.script .replaced{display:block}.table th button{all:unset}
  th[aria-sort] button::after{content:""!important}}
)";

/// The page's style: system letters, one column, the palette in light and dark, print without waste.
[[nodiscard]] inline std::string page_style() {
  std::string light_set, dark_set;
  for (std::size_t i = 1; i < kInks.size(); ++i) {
    light_set += std::string(kInks[i].variable) + ":" + kInks[i].light + ";";
    dark_set += std::string(kInks[i].variable) + ":" + kInks[i].dark + ";";
  }
  return ":root{color-scheme:light dark;" + light_set +
         "--page:#f4f6f8}\n@media screen and (prefers-color-scheme:dark){:root{" + dark_set + "--page:#0f1318}}\n" +
         std::string(kPageStyle) + light_set + std::string(kPrintStyle);
}

}  // namespace contexture::report::detail
