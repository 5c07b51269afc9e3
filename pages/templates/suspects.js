'use strict';
(() => {
  const state = JSON.parse(document.getElementById('state').textContent);
  const cards = [...document.querySelectorAll('.suspect')];
  const progress = document.getElementById('progress');
  // By place of a clip: ['keep'], ['leave_out'] or ['relabel', its label].
  let marks = {};
  let current = 0;

  function load() {
    try {
      marks = JSON.parse(localStorage.getItem(state.key)) || {};
    } catch (error) {
      marks = {};  // Of a browser that keeps nothing.
    }
  }

  function keep() {
    try {
      localStorage.setItem(state.key, JSON.stringify(marks));
    } catch (error) {
      progress.title = 'This browser keeps nothing: save before you leave the page.';
    }
  }

  function said(mark) {
    if (!mark) return '';
    if (mark[0] === 'keep') return 'right';
    return mark[0] === 'leave_out' ? 'wrong: left out' : 'it is ' + mark[1];
  }

  function show(index) {
    const card = cards[index], mark = marks[index], clip = state.clips[index];
    card.classList.toggle('marked', Boolean(mark));
    card.querySelector('output').textContent = said(mark);
    for (const button of card.querySelectorAll('button')) {
      const kind = button.dataset.mark;
      const pressed = mark && (kind === 'suggested'
        ? mark[0] === 'relabel' && mark[1] === clip.suggested : mark[0] === kind);
      button.setAttribute('aria-pressed', String(Boolean(pressed)));
    }
    progress.textContent = Object.keys(marks).length + ' of ' + cards.length + ' marked';
  }

  function go(index) {
    if (!cards.length) return;
    cards[current].classList.remove('current');
    current = Math.max(0, Math.min(cards.length - 1, index));
    cards[current].classList.add('current');
    cards[current].focus({preventScroll: true});
    cards[current].scrollIntoView({block: 'nearest'});
  }

  function mark(index, value) {
    if (value) marks[index] = value;
    else delete marks[index];
    keep();
    show(index);
  }

  function relabel(index, text) {
    const label = text.normalize('NFC').trim();
    // Its own label again says that it is right.
    if (label) mark(index, label === state.clips[index].label ? ['keep'] : ['relabel', label]);
    return Boolean(label);
  }

  function stop() {
    for (const player of document.querySelectorAll('audio')) player.pause();
  }

  function play() {
    const player = cards[current].querySelector('audio');
    if (!player) return;
    if (!player.paused) {
      player.pause();
      return;
    }
    stop();
    player.currentTime = 0;
    player.play().catch(() => {});
  }

  function next() {
    stop();
    if (current + 1 < cards.length) {
      go(current + 1);
      play();
    }
  }

  function cell(text) {
    return /[",;\t\r\n]/.test(text) || text !== text.trim()
      ? '"' + text.replaceAll('"', '""') + '"' : text;
  }

  function table() {
    const rows = ['id,action,label'];
    state.clips.forEach((clip, index) => {
      const found = marks[index];
      if (found) rows.push([clip.id, found[0], found[1] || ''].map(cell).join(','));
    });
    return rows.join('\n') + '\n';
  }

  function save() {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([table()], {type: 'text/csv'}));
    link.download = 'corrections.csv';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  const actions = {
    ' ': play,
    j: () => { stop(); go(current + 1); },
    ArrowDown: () => { stop(); go(current + 1); },
    k: () => { stop(); go(current - 1); },
    ArrowUp: () => { stop(); go(current - 1); },
    r: () => { mark(current, ['keep']); next(); },
    w: () => { mark(current, ['leave_out']); next(); },
    s: () => { if (relabel(current, state.clips[current].suggested)) next(); },
    n: () => cards[current].querySelector('input').focus(),
    u: () => mark(current, null),
  };

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !cards.length) return;
    if (event.target.tagName === 'INPUT') {
      if (event.key === 'Enter' && relabel(current, event.target.value)) {
        event.target.value = '';
        event.preventDefault();
        next();
      } else if (event.key === 'Escape') {
        event.target.value = '';
        go(current);
      }
      return;
    }
    // A button that has the focus takes these itself.
    if (event.target.tagName === 'BUTTON' && [' ', 'Enter'].includes(event.key)) return;
    if (event.target.tagName === 'AUDIO' && event.key === ' ') return;
    if (Object.hasOwn(actions, event.key)) {
      event.preventDefault();
      actions[event.key]();
    }
  });

  cards.forEach((card, index) => {
    card.addEventListener('focusin', () => { if (index !== current) go_to(index); });
    card.addEventListener('click', () => { if (index !== current) go_to(index); });
    for (const button of card.querySelectorAll('button')) {
      button.addEventListener('click', () => {
        const kind = button.dataset.mark;
        if (kind === 'suggested') relabel(index, state.clips[index].suggested);
        else mark(index, [kind]);
      });
    }
    card.querySelector('input').addEventListener('change', (event) => {
      if (relabel(index, event.target.value)) event.target.value = '';
    });
  });

  // Without taking the focus from what was clicked.
  function go_to(index) {
    cards[current].classList.remove('current');
    current = index;
    cards[current].classList.add('current');
  }

  document.getElementById('save').addEventListener('click', save);
  load();
  cards.forEach((card, index) => show(index));
  if (cards.length) go_to(0);
})();
