'use strict';
(() => {
  const values = JSON.parse(document.getElementById('values').textContent);
  const element = (name, text, attributes) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const key in attributes || {}) made.setAttribute(key, attributes[key]);
    return made;
  };
  const percent = share => (100 * share).toFixed(share < 0.0995 && share > 0 ? 1 : 0) + ' %';
  const inOrder = new Intl.Collator(undefined, {numeric: true});

  // Tables: sorted by a column, searched, and short at first.
  for (const box of document.querySelectorAll('.table')) {
    const body = box.querySelector('tbody'), rows = [...body.rows];
    const first = Number(box.dataset.first);
    const search = box.querySelector('input'), all = box.querySelector('.all');
    let isAll = rows.length <= first;
    const show = () => {
      const words = search ? search.value.trim().toLowerCase() : '';
      let shown = 0;
      for (const row of body.rows) {
        const fits = !words || row.textContent.toLowerCase().includes(words);
        row.hidden = !(fits && (isAll || words || shown < first));
        shown += fits;
      }
    };
    const cell = (row, i) => {
      const found = row.cells[i];
      return 'v' in found.dataset ? Number(found.dataset.v) : found.textContent.trim();
    };
    const heads = [...box.querySelectorAll('th')];
    heads.forEach((head, i) => head.firstElementChild.addEventListener('click', () => {
      const up = head.getAttribute('aria-sort') !== 'ascending';
      heads.forEach(other => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const sorted = rows.map(row => [cell(row, i), row]).sort(([a], [b]) =>
        (up ? 1 : -1) * (typeof a === 'number' ? a - b : inOrder.compare(a, b)));
      body.append(...sorted.map(([, row]) => row));
      show();
    }));
    if (search) search.addEventListener('input', show);
    if (all) {
      const more = all.textContent;
      all.addEventListener('click', () => {
        isAll = !isAll;
        all.textContent = isAll ? all.dataset.less : more;
        show();
      });
    }
    show();
  }

  // The confusion matrix.
  const {names, totals, cells} = values.matrix;
  const box = document.getElementById('matrix'), said = document.getElementById('matrix-said');
  const unit = document.getElementById('matrix-unit'), order = document.getElementById('matrix-order');
  const counts = new Map(cells.map(([row, column, count]) => [row * names.length + column, count]));
  const count = (row, column) => counts.get(row * names.length + column) || 0;
  const wrong = names.map((_, i) => totals[i] - count(i, i));
  const orders = {
    data: () => 0,
    name: (a, b) => inOrder.compare(names[a], names[b]),
    wrong: (a, b) => wrong[b] - wrong[a],
  };
  const draw = () => {
    const ranks = names.map((_, i) => i).sort(orders[order.value]);
    const table = element('table'), head = element('tr');
    head.append(element('th'));
    for (const column of ranks) {
      const th = element('th', undefined, {title: names[column], scope: 'col'});
      // Chinese stands upright in a column, Latin lies on its side.
      const isUpright = /[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/.test(names[column]);
      th.append(element('span', names[column], isUpright ? {class: 'upright'} : {}));
      head.append(th);
    }
    table.append(element('thead'), element('tbody'));
    table.tHead.append(head);
    for (const row of ranks) {
      const line = element('tr');
      line.append(element('th', names[row], {title: names[row], scope: 'row'}));
      for (const column of ranks) {
        const number = count(row, column), td = element('td');
        if (number) {
          const share = number / totals[row], colour = row === column ? 'accent' : 'validation';
          td.textContent = unit.value === 'share' ? percent(share).replace(' %', '') :
            number < 10000 ? number : Math.round(number / 1000) + 'k';
          td.style.background =
            `color-mix(in srgb, var(--${colour}) ${(8 + 82 * Math.sqrt(share)).toFixed(0)}%, transparent)`;
          if (share > 0.45) td.className = 'dark';
        }
        td.dataset.at = row + ' ' + column;
        line.append(td);
      }
      table.tBodies[0].append(line);
    }
    box.replaceChildren(table);
  };
  const tell = event => {
    const td = event.target.closest('td');
    if (!td) return;
    const [row, column] = td.dataset.at.split(' ').map(Number), number = count(row, column);
    said.textContent = `${names[row]} was taken for ${names[column]} ` +
      `${number.toLocaleString('en')} of ${totals[row].toLocaleString('en')} times` +
      (totals[row] ? ` (${percent(number / totals[row])})` : '') + '.';
    box.querySelectorAll('.at').forEach(other => other.classList.remove('at'));
    td.classList.add('at');
  };
  unit.addEventListener('change', draw);
  order.addEventListener('change', draw);
  box.addEventListener('mouseover', tell);
  box.addEventListener('click', tell);
  draw();

  // One label against the rest.
  const chooser = document.getElementById('detection-label');
  if (!chooser) return;
  const chart = document.getElementById('det'), alarms = document.getElementById('alarms');
  const {ticks, labels, worst, low, high} = values.detection;
  const least = Number(low.toFixed(3));
  const svg = (name, attributes, text) => {
    const made = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const key in attributes) made.setAttribute(key, attributes[key]);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const x = value => 62 + 408 * (value - low) / (high - low);
  const y = value => 366 - 354 * (value - low) / (high - low);
  const drawCurve = found => {
    const parts = [];
    for (const [place, text] of ticks) {
      parts.push(svg('line', {class: 'grid', x1: x(place), x2: x(place), y1: y(low), y2: y(high)}),
        svg('line', {class: 'grid', x1: x(low), x2: x(high), y1: y(place), y2: y(place)}),
        svg('text', {x: x(place), y: 384, 'text-anchor': 'middle'}, text),
        svg('text', {x: 56, y: y(place) + 4, 'text-anchor': 'end'}, text));
    }
    parts.push(svg('polyline', {class: 'line', style: 'stroke:var(--accent)',
      points: found.curve.map(([a, b]) => x(a).toFixed(1) + ',' + y(b).toFixed(1)).join(' ')}));
    if (found.curve.some(([a, b]) => a <= least && b <= least)) {
      parts.push(svg('text', {x: 266, y: 180, 'text-anchor': 'middle'}, 'All are found without a false alarm.'));
    }
    parts.push(svg('text', {class: 'name', x: 266, y: 410, 'text-anchor': 'middle'},
      'false alarms (% of the others)'));
    parts.push(svg('text', {class: 'name', transform: 'translate(12 189) rotate(-90)', 'text-anchor': 'middle'},
      'misses (% of the label)'));
    chart.replaceChildren(...parts);
  };
  const tellAlarms = found => {
    const table = element('table'), head = element('tr');
    const columns = {recall: 'recall', threshold: 'threshold', count: 'false alarms', per_hour: 'an hour'};
    for (const key in columns) {
      head.append(element('th', columns[key], {class: 'number'}));
    }
    table.append(element('thead'), element('tbody'));
    table.tHead.append(head);
    for (const one of found.alarms) {
      const line = element('tr');
      for (const key in columns) {
        line.append(element('td', one[key], {class: 'number'}));
      }
      table.tBodies[0].append(line);
    }
    const hours = found.hours ? `The other labels are ${found.hours.toLocaleString('en',
      {maximumSignificantDigits: 3})} hours. False alarms an hour are of them: how much sound ` +
      'of which kind there is where the model is used, is another matter.' : '';
    alarms.replaceChildren(...(found.alarms.length ? [table] : []),
      element('p', hours, {class: 'soft small'}));
  };
  labels.forEach((one, i) => chooser.append(element('option', `${one.label} (${one.clips})`, {value: i})));
  const choose = () => {
    const found = labels[Number(chooser.value)];
    if (chart) drawCurve(found);
    tellAlarms(found);
  };
  chooser.value = worst;
  chooser.addEventListener('change', choose);
  choose();
})();
