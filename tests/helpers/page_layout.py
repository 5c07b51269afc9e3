"""What does not fit its place in a page, as a browser lays it out."""

# What holds text of its own: a box, its content and whether the reader can get at what is cut off.
_MISFITS = r"""(mostColumns => {
  const found = [], told = element => {
    const place = element.closest('[id]');
    return `${place ? '#' + place.id + ' ' : ''}${element.tagName.toLowerCase()}` +
      `${element.className.baseVal ?? (element.className && '.' + element.className)}: ` +
      element.textContent.trim().slice(0, 60);
  };
  const scrolls = element => ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
  for (const element of document.querySelectorAll('main *:not(svg *)')) {
    if (!element.clientWidth || scrolls(element)) continue;
    const isShort = getComputedStyle(element).textOverflow === 'ellipsis' && element.title;
    if (element.scrollWidth > element.clientWidth + 1 && !isShort && element.tagName !== 'SELECT') {
      found.push(`runs over by ${element.scrollWidth - element.clientWidth} px: ${told(element)}`);
    }
  }
  for (const box of document.querySelectorAll('.scroll')) {
    const columns = box.querySelectorAll('th').length;
    if (box.scrollWidth > box.clientWidth + 1 && columns <= mostColumns) {
      found.push(`a table of ${columns} columns is cut: ${told(box)}`);
    }
  }
  // A number and its sign stay on one line where they are headings or stand alone.
  const range = document.createRange();
  const lines = (text, match) => {
    range.setStart(text, match.index);
    range.setEnd(text, match.index + match[0].length);
    return new Set([...range.getClientRects()].map(rect => Math.round(rect.top))).size;
  };
  for (const element of document.querySelectorAll('h1, h2, h3, th, dt, .tile b, .number, legend')) {
    const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const numbers = /(?<![^\s=])[+−-]?\d[\d.,–]*(\s%)?|\d+/g;
      for (const match of texts.currentNode.data.matchAll(numbers)) {
        const count = lines(texts.currentNode, match);
        if (count > 1) found.push(`"${match[0]}" is on ${count} lines: ${told(element)}`);
      }
    }
  }
  // A name goes on in the next line between words, and not within one that fits.
  const texts = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!element.checkVisibility() || element.closest('svg, pre, #matrix')) continue;
    const words = texts.currentNode.data.matchAll(/(?<![\p{L}\d])[A-Za-z]{2,9}(?![\p{L}\d])/gu);
    for (const match of words) {
      if (lines(texts.currentNode, match) > 1) {
        found.push(`the word "${match[0]}" is on several lines: ${told(element)}`);
      }
    }
  }
  return found;
})"""


def misfits(page, *, most_columns=100):
  """Returns what is cut off, runs into what is beside it, or breaks inside of a number or a word.

  Args:
    page: An opened page.
    most_columns: Tables of more may be pushed to the side in a box of their own.
  """
  return page.evaluate(f'{_MISFITS}({most_columns})')
