"""The style sheet of the page, for telephones, large screens, dark screens and paper."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1a1f24;--soft:#59636e;--line:#d1d9e0;
--tint:#f3f5f8;--blue:#0b5cad;--red:#a8480b;--good:#116329}
@media(prefers-color-scheme:dark){:root{--paper:#11151a;--ink:#e6eaee;--soft:#a3adb8;--line:#3a434d;
--tint:#1b2128;--blue:#74b3f5;--red:#f0a26b;--good:#6fce86}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;
overflow-wrap:anywhere;-webkit-text-size-adjust:100%}
main{max-width:70rem;margin:0 auto;padding:1rem}
p,ul,dl,.verdict,.formula{max-width:46rem}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0}
h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line);padding-bottom:.2rem}
p,ul{margin:.5rem 0}
ul{padding-left:1.2rem}
.verdict{border-left:.3rem solid var(--good);background:var(--tint);padding:.6rem .8rem}
.formula{background:var(--tint);padding:.6rem .8rem;text-align:center;line-height:1.8}
.note,figcaption{color:var(--soft);font-size:.875rem}
dl{display:grid;grid-template-columns:minmax(6rem,max-content) 1fr;gap:.25rem .9rem;margin:.6rem 0}
dt{color:var(--soft)}
dd{margin:0;min-width:0}
.wide{margin:.8rem 0}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
table.few{min-width:min(100%,46rem)}
table.many{min-width:100%}
caption{text-align:left;font-weight:600;padding:.2rem 0}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line);
overflow-wrap:normal;vertical-align:top}
th:first-child{text-align:left;padding-left:0;min-width:5.5rem;
overflow-wrap:break-word}
thead th{color:var(--soft);font-weight:600}
data{white-space:nowrap}
bdi{overflow-wrap:anywhere}
td>span{min-width:0}
code{font:.85em ui-monospace,monospace}
figure{margin:1rem 0;max-width:31rem}
svg{display:block;width:100%;height:auto}
svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.frame{fill:none;stroke:var(--line)}
.grid{stroke:var(--line);stroke-width:.5;fill:none}
.zero{stroke:var(--soft);fill:none}
.curve{stroke:var(--blue);stroke-width:2.2;fill:none}
.trace{stroke:var(--red);stroke-width:1.1;fill:none}
.band{fill:var(--blue);fill-opacity:.13}
.mark{fill:var(--red);stroke:var(--paper)}
.bar{fill:var(--blue);fill-opacity:.3}
.strong{fill-opacity:1}
.shade{fill:var(--blue)}
.heat{fill:var(--blue);stroke:var(--line);stroke-width:.5}
.cell{fill:var(--blue);stroke:var(--soft);stroke-width:.4}
.outside{fill:none;stroke-dasharray:2}
.basin{fill:none;stroke:var(--red);stroke-width:1.8}
.region{fill:none;stroke:var(--ink);stroke-width:1.2}
@media(max-width:40rem){
table,tbody,tr,th,td,caption{display:block}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{border-bottom:1px solid var(--line);padding:.4rem 0}
th,td,th:first-child{border:0;padding:.1rem 0;text-align:left}
td{display:grid;grid-template-columns:minmax(8rem,40%) 1fr;gap:.6rem}
td::before{content:attr(data-column);color:var(--soft)}}
@media(min-width:40.01rem) and (max-width:66rem){
.many,.many :is(tbody,tr,th,td,caption){display:block}
.many thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.many tr{border-bottom:1px solid var(--line);padding:.4rem 0}
.many :is(th,td){border:0;padding:.1rem 0;text-align:left}
.many td{display:grid;grid-template-columns:12rem 1fr;gap:.6rem}
.many td::before{content:attr(data-column);color:var(--soft)}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#333;--line:#bbb;--tint:#fff;
--blue:#0b5cad;--red:#a8480b;--good:#000}
body{font-size:10.5pt}
main{max-width:none;padding:0}
table{font-size:7.5pt;width:100%}
th,td{padding:.12rem .22rem}
th:first-child{min-width:0;overflow-wrap:anywhere}
figure{max-width:9cm}
figcaption,.note{font-size:8.5pt}
figure,tr,.verdict,.formula{break-inside:avoid}
h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
