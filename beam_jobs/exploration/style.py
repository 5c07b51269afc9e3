"""How the page looks: light and dark, wide and narrow. Nothing comes from outside."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --ink: #1b202b; --soft: #5a6372; --line: #e0e4ea;
  --field: #f1f4f9; --accent: #2f6fde; --train: #2f6fde; --validation: #e58a00; --test: #12977a;
  --whole: #2f6fde; --bad: #b42318; --bad-field: #fdecea; --warn: #8a5300; --warn-field: #fdf3e0;
  --good: #0b6b54; --good-field: #e4f5ef;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151b; --card: #1b2029; --ink: #e8ebf0; --soft: #a0a9b8; --line: #303744;
    --field: #232a35; --accent: #6ba0ff; --train: #6ba0ff; --validation: #f2ac46; --test: #3cc2a1;
  --whole: #6ba0ff; --bad: #ff9a8f; --bad-field: #43211f; --warn: #f5c06b;
  --warn-field: #3d3018;
    --good: #6cd9bb; --good-field: #17372f;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1rem; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans",
    "DejaVu Sans", sans-serif;
}
main { max-width: 1200px; margin: 0 auto; padding: 28px 20px 48px; }
header { margin-bottom: 20px; }
h1 { font-size: 26px; line-height: 1.25; margin: 2px 0 10px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 0 0 4px; }
h3 { font-size: 15.5px; margin: 22px 0 8px; overflow-wrap: anywhere; }
p { margin: 6px 0; max-width: 75ch; }
a { color: var(--accent); }
.kind {
  color: var(--soft); font-size: 13px; letter-spacing: .06em; text-transform: uppercase;
}
.soft { color: var(--soft); }
.small { font-size: 13px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 14px; margin-top: 14px; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
section, .tile {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
}
section { padding: 20px 22px 22px; margin-top: 18px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; }
.tile { padding: 12px 16px; }
.tile b { display: block; font-size: 23px; line-height: 1.25; font-weight: 650; }
.tile span { color: var(--soft); font-size: 13px; }
.two {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
  gap: 8px 36px;
}
.three {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr));
  gap: 8px 36px;
}
.two > div, .three > div { min-width: 0; }
.facts {
  display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 0;
  font-size: 14px;
}
.facts dt { color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin-top: 10px; font-size: 14px; }
th {
  text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; white-space: nowrap;
}
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
tbody tr:last-child td { border-bottom: 0; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.text { overflow-wrap: anywhere; min-width: 7em; }
.three .bars { width: 30%; min-width: 60px; }
.bars { width: 45%; min-width: 120px; vertical-align: middle; }
.stack { display: flex; gap: 2px; height: 13px; }
.stack i { display: block; border-radius: 2px; min-width: 1px; }
.train { background: var(--train); } .validation { background: var(--validation); }
.test { background: var(--test); } .whole { background: var(--whole); }
.legend {
  display: flex; flex-wrap: wrap; gap: 2px 18px; font-size: 13px; color: var(--soft);
  margin: 8px 0 0;
}
.legend i {
  display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px;
}
.note {
  border-radius: 8px; padding: 9px 14px; margin: 8px 0 0; max-width: none;
  overflow-wrap: anywhere;
}
.bad { background: var(--bad-field); color: var(--bad); }
.warn { background: var(--warn-field); color: var(--warn); }
.good { background: var(--good-field); color: var(--good); }
.tag {
  display: inline-block; border-radius: 5px; padding: 1px 8px; margin: 0 4px 2px 0;
  font-size: 12.5px; white-space: nowrap;
}
.plain { background: var(--field); color: var(--soft); }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12.5px; font-variant-numeric: tabular-nums; }
svg.panel text { font-size: 10.5px; }
svg .name { fill: var(--soft); }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--soft); }
svg .bar { fill: var(--accent); }
svg .wave { fill: var(--accent); }
svg .field { fill: var(--field); }
.chart { max-width: 620px; }
.crisp { image-rendering: pixelated; }
.group {
  display: flex; flex-wrap: wrap; gap: 4px 20px; padding: 8px 0; font-size: 14px;
  border-bottom: 1px solid var(--line);
}
.group:last-child { border-bottom: 0; padding-bottom: 0; }
.group > div:first-child { flex: 2 1 300px; min-width: 0; overflow-wrap: anywhere; }
.group > div:last-child { flex: 1 1 240px; }
figure { margin: 10px 0 0; }
figcaption { font-size: 13px; color: var(--soft); margin-bottom: 3px; }
.clip { border-top: 1px solid var(--line); padding: 12px 0 6px; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 18px; }
.head > div { flex: 1 1 260px; min-width: 0; overflow-wrap: anywhere; font-size: 14px; }
audio { height: 36px; width: min(100%, 320px); }
.panels {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 250px), 1fr));
  gap: 4px 16px;
}
.thumbs { display: flex; flex-wrap: wrap; gap: 14px; }
.thumbs figure { width: 170px; }
.thumbs img { width: 100%; border: 1px solid var(--line); border-radius: 6px; display: block; }
.stretched figure { width: 270px; max-width: 100%; }
.stretched img { aspect-ratio: 16 / 9; object-fit: fill; }
.thumbs figcaption { margin-top: 4px; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 13px; margin-top: 22px; }
@media (max-width: 560px) {
  main { padding: 16px 12px 32px; }
  section { padding: 16px 14px; }
  h1 { font-size: 21px; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: 8px; }
  .facts { gap: 2px 12px; grid-template-columns: fit-content(45%) 1fr; }
  .chart text { font-size: 16px; }
  .bars { min-width: 84px; width: 34%; }
  th, td { padding-right: 10px; }
}
"""
