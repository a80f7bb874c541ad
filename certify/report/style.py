"""How the page looks: on a telephone, on a large screen, in the dark and on paper."""

STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1a1f24;--soft:#59636e;--line:#d1d9e0;
--tint:#f3f5f8;--blue:#0b5cad;--red:#a8480b;--good:#116329}
@media(prefers-color-scheme:dark){:root{--paper:#11151a;--ink:#e6eaee;--soft:#a3adb8;--line:#3a434d;
--tint:#1b2128;--blue:#74b3f5;--red:#f0a26b;--good:#6fce86}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;
overflow-wrap:anywhere;-webkit-text-size-adjust:100%}
main{max-width:46rem;margin:0 auto;padding:1rem}
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
.wide{overflow-x:auto;margin:.8rem 0}
.wide:focus-visible{outline:2px solid var(--blue)}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums;min-width:100%}
caption{text-align:left;font-weight:600;padding:.2rem 0}
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line);
overflow-wrap:normal;vertical-align:top}
th:first-child{text-align:left;padding-left:0;min-width:5.5rem;
overflow-wrap:break-word}
thead th{color:var(--soft);font-weight:600}
data{white-space:nowrap}
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
.heat{fill:var(--blue);stroke:var(--line);stroke-width:.5}
.cell{fill:var(--blue);stroke:var(--soft);stroke-width:.4}
.outside{fill:none;stroke-dasharray:2}
.basin{fill:none;stroke:var(--red);stroke-width:1.8}
.region{fill:none;stroke:var(--ink);stroke-width:1.2}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#333;--line:#bbb;--tint:#fff;
--blue:#0b5cad;--red:#a8480b;--good:#000}
body{font-size:10.5pt}
main{max-width:none;padding:0}
.wide{overflow:visible}
table{font-size:7.5pt;width:100%}
th,td{padding:.12rem .22rem}
th:first-child{min-width:0;overflow-wrap:anywhere}
figure{max-width:9cm}
figcaption,.note{font-size:8.5pt}
figure,tr,.verdict,.formula{break-inside:avoid}
h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
