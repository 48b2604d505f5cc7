/**
 * Patches in stock htmx 2 and 4, in Chromium, over a real socket.
 *
 * What receives them, with unnamed events on both majors:
 * - htmx 2: `<div hx-ext="sse" sse-connect="/s"><div sse-swap="message" hx-swap="none"></div></div>`
 * - htmx 4: `<div hx-sse:connect="/s" hx-swap="none"></div>`, the connecting element itself; it needs neither
 *   `hx-ext` nor a child.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { encode, frame } from '../../src/sse'
import type { Patch } from '../../src/swap'
import { idSelector, slotSelector, swap } from '../../src/swap'
import type { OpenPage } from '../support/browser'
import { closeBrowser, html, javascript, newPage, scripts, serve, until } from '../support/browser'

interface Case {
  name: string
  /** What stands in the container before. */
  before: string
  patch: Patch | string
  /** What stands in it afterwards. */
  after: string
  /** Selectors of elements that must be SVG. */
  drawn?: string[]
  /** What htmx 2 logs as errors. htmx 4 never logs any. */
  noise?: string[]
}

const table = (rows: string) => `<table><tbody id="rows">${rows}</tbody></table>`
const drawing = (parts: string) => `<svg id="plot">${parts}</svg>`
const strange = 'job:42:zeile ü/#.,"\'<b>&'
const strangeAttribute = strange.replaceAll('&', '&amp;').replaceAll('"', '&quot;')
const strangeWritten = strangeAttribute.replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const styles: Case[] = [
  {
    name: 'C-30 outerHTML with a selector',
    before: '<p id="a">old</p><p id="b"></p>',
    patch: swap.outerHTML('#a', '<b>new</b>'),
    after: '<b>new</b><p id="b"></p>',
  },
  {
    name: 'C-30 outerHTML with several roots and text',
    before: '<p id="a">old</p>',
    patch: swap.outerHTML('#a', '<b>1</b> and <i>2</i>'),
    after: '<b>1</b> and <i>2</i>',
  },
  {
    name: 'C-30 innerHTML with a selector',
    before: '<p id="a">old</p>',
    patch: swap.innerHTML('#a', 'new <b>one</b>'),
    after: '<p id="a">new <b>one</b></p>',
  },
  {
    name: 'C-30 innerHTML with nothing empties',
    before: '<p id="a">old</p>',
    patch: swap.innerHTML('#a', ''),
    after: '<p id="a"></p>',
  },
  {
    name: 'C-30 beforebegin',
    before: '<p id="a">x</p>',
    patch: swap.beforebegin('#a', '<b>1</b><b>2</b>'),
    after: '<b>1</b><b>2</b><p id="a">x</p>',
  },
  {
    name: 'C-30 afterbegin',
    before: '<p id="a"><i></i></p>',
    patch: swap.afterbegin('#a', '<b>1</b><b>2</b>'),
    after: '<p id="a"><b>1</b><b>2</b><i></i></p>',
  },
  {
    name: 'C-30 beforeend',
    before: '<p id="a"><i></i></p>',
    patch: swap.beforeend('#a', '<b>1</b> 2'),
    after: '<p id="a"><i></i><b>1</b> 2</p>',
  },
  {
    name: 'C-30 afterend',
    before: '<p id="a">x</p><hr>',
    patch: swap.afterend('#a', '<b>1</b><b>2</b>'),
    after: '<p id="a">x</p><b>1</b><b>2</b><hr>',
  },
  {
    name: 'C-30 delete',
    before: '<p id="a">x</p><hr>',
    patch: swap.delete('#a'),
    after: '<hr>',
  },
  {
    name: 'C-30 delete of all that match',
    before: '<p class="a">x</p><hr><p class="a">y</p>',
    patch: swap.delete('.a'),
    after: '<hr>',
  },
  {
    name: 'C-30 delete of what is not there is no error, and not logged as one',
    before: '<hr>',
    patch: swap.delete('#a'),
    after: '<hr>',
  },
  {
    name: 'C-30 none',
    before: '<p id="a">x</p>',
    patch: swap.none('<p id="a">y</p>'),
    after: '<p id="a">x</p>',
  },
  {
    name: 'C-30 replace, bare, by the id of the root',
    before: '<p id="a">x</p>',
    patch: swap.replace('<h1 id="a">y</h1>'),
    after: '<h1 id="a">y</h1>',
  },
  {
    name: 'C-30 replace of several roots',
    before: '<p id="a">x</p><p id="b">x</p>',
    patch: swap.replace('<p id="a">1</p> <p id="b">2</p>'),
    after: '<p id="a">1</p><p id="b">2</p>',
  },
  ...(['innerHTML', 'afterbegin', 'beforeend'] as const).map((style) => ({
    name: `C-30 ${style} bare, by the id of the root`,
    before: '<p id="a"></p>',
    patch: swap.oob('<p id="a"><b>y</b></p>', { style }),
    after: '<p id="a"><b>y</b></p>',
  })),
  {
    name: 'C-30 beforebegin and afterend bare',
    before: '<p id="a"></p><p id="b"></p>',
    patch: swap
      .oob('<p id="a"><i></i></p>', { style: 'beforebegin' })
      .oob('<p id="b"><b></b></p>', { style: 'afterend' }),
    after: '<i></i><p id="a"></p><p id="b"></p><b></b>',
  },
  {
    name: 'C-30 delete and none bare',
    before: '<p id="a"></p><p id="b"></p>',
    patch: swap
      .oob('<p id="a"></p>', { style: 'delete' })
      .oob('<p id="b">x</p>', { style: 'none' }),
    after: '<p id="b"></p>',
  },
  {
    name: 'C-30 a root that carries a selector itself',
    before: '<ul id="list"></ul>',
    patch: swap.oob('<ul><li>1</li></ul>', { style: 'beforeend', target: '#list', wrap: false }),
    after: '<ul id="list"><li>1</li></ul>',
  },
  {
    name: 'C-30 wrapped, by the id of the root',
    before: '<p id="a">x</p><p id="b">x</p>',
    patch: swap
      .oob('<p id="a">1</p>', { wrap: true })
      .oob('<p id="b">2</p>', { wrap: true, style: 'innerHTML' }),
    after: '<p id="a">1</p><p id="b">2</p>',
  },
  {
    name: 'C-30 a chain of changes, in order',
    before: '<p id="a">x</p><ul id="list"><li>1</li></ul><hr>',
    patch: swap
      .innerHTML('#list', '<li>2</li>')
      .beforeend('#list', '<li>3</li>')
      .afterbegin('#list', '<li>1</li>')
      .replace('<p id="a">y</p>')
      .delete('hr'),
    after: '<p id="a">y</p><ul id="list"><li>1</li><li>2</li><li>3</li></ul>',
  },
  {
    name: 'C-30 many patches as one',
    before: '<p id="a"></p><p id="b"></p>',
    patch: swap.many(swap.innerHTML('#a', '1'), swap.many(), swap.innerHTML('#b', '2')),
    after: '<p id="a">1</p><p id="b">2</p>',
  },
  {
    name: 'C-30 selectors with commas, combinators, brackets and a pseudo-class',
    before: '<ul class="x"><li>1</li><li data-k="a>b">2</li></ul><ol class="y"><li>1</li></ol>',
    patch: swap
      .innerHTML('ul.x > li:first-child, ol.y > li:not([data-k])', 'new')
      .innerHTML('[data-k="a>b"]', 'quoted'),
    after:
      '<ul class="x"><li>new</li><li data-k="a&gt;b">quoted</li></ul><ol class="y"><li>new</li></ol>',
  },
  {
    name: 'C-30 ids with colons, quotes, markup and umlauts',
    before: `<p id="${strangeAttribute}">x</p><p id="7">x</p><p id="-7">x</p><p id="-">x</p><p id="日本 🎉">x</p>`,
    patch: swap
      .innerHTML(idSelector(strange), 'ok')
      .innerHTML(idSelector('7'), 'ok')
      .innerHTML(idSelector('-7'), 'ok')
      .innerHTML(idSelector('-'), 'ok')
      .innerHTML(idSelector('日本 🎉'), 'ok'),
    after: `<p id="${strangeWritten}">ok</p><p id="7">ok</p><p id="-7">ok</p><p id="-">ok</p><p id="日本 🎉">ok</p>`,
  },
  {
    name: 'C-30 a slot by its topic',
    before: '<p sse-swap="job:42:lines">x</p><p sse-swap="job:42">x</p>',
    patch: swap.innerHTML(slotSelector('job:42:lines'), 'ok'),
    after: '<p sse-swap="job:42:lines">ok</p><p sse-swap="job:42">x</p>',
  },
  {
    name: 'C-30 a root that carries a selector with colons',
    before: '<p id="job:7"><i>1</i><i>2</i></p>',
    patch: swap
      .oob('<i>new</i>', { target: 'p > i:first-child:not(.x)', wrap: false })
      .oob('<p><b></b></p>', { target: idSelector('job:7'), style: 'beforeend', wrap: false }),
    after: '<p id="job:7"><i>new</i><i>2</i><b></b></p>',
  },
  {
    name: 'C-30 replace of ids with colons and umlauts, bare and wrapped',
    before: '<p id="job:ä:1">x</p><p id="job:ä:2">x</p>',
    patch: swap.replace('<p id="job:ä:1">1</p>').oob('<p id="job:ä:2">2</p>', { wrap: true }),
    after: '<p id="job:ä:1">1</p><p id="job:ä:2">2</p>',
  },
]

const parsing: Case[] = [
  {
    name: 'C-31 a <tr> is appended',
    before: table('<tr><td>1</td></tr>'),
    patch: swap.beforeend('#rows', '<tr><td>2</td></tr><tr><td>3</td></tr>'),
    after: table('<tr><td>1</td></tr><tr><td>2</td></tr><tr><td>3</td></tr>'),
  },
  {
    name: 'C-31 a <tr> is put first, before and after',
    before: table('<tr id="r"><td>3</td></tr>'),
    patch: swap
      .afterbegin('#rows', '<tr><td>1</td></tr>')
      .beforebegin('#r', '<tr><td>2</td></tr>')
      .afterend('#r', '<tr><td>4</td></tr>'),
    after: table(
      '<tr><td>1</td></tr><tr><td>2</td></tr><tr id="r"><td>3</td></tr><tr><td>4</td></tr>',
    ),
  },
  {
    name: 'C-31 a <tr> is replaced, bare',
    before: table('<tr id="r1"><td>1</td></tr>'),
    patch: swap.replace('<tr id="r1"><td>one</td></tr>'),
    after: table('<tr id="r1"><td>one</td></tr>'),
  },
  {
    name: 'C-31 a <tr> is replaced, wrapped',
    before: table('<tr id="r1"><td>1</td></tr>'),
    patch: swap.outerHTML('#r1', '<tr id="r1"><td>one</td></tr>'),
    after: table('<tr id="r1"><td>one</td></tr>'),
  },
  {
    name: 'C-31 a <tr> is filled with <td> and <th>',
    before: table('<tr id="r1"><td>1</td></tr>'),
    patch: swap.innerHTML('#r1', '<th>a</th><td>b</td>'),
    after: table('<tr id="r1"><th>a</th><td>b</td></tr>'),
  },
  {
    name: 'C-31 a <td> is appended',
    before: table('<tr id="r1"><td>1</td></tr>'),
    patch: swap.beforeend('#r1', '<td id="c2">2</td>'),
    after: table('<tr id="r1"><td>1</td><td id="c2">2</td></tr>'),
  },
  {
    name: 'C-31 a <td> is replaced, bare',
    before: table('<tr id="r1"><td id="c1">1</td></tr>'),
    patch: swap.replace('<td id="c1">one</td>'),
    after: table('<tr id="r1"><td id="c1">one</td></tr>'),
  },
  {
    name: 'C-31 a <div> before a <tr>, both bare',
    before: `<div id="d"></div>${table('<tr id="r1"><td>1</td></tr>')}`,
    patch: swap.replace('<div id="d">new</div>').replace('<tr id="r1"><td>one</td></tr>'),
    after: `<div id="d">new</div>${table('<tr id="r1"><td>one</td></tr>')}`,
  },
  {
    name: 'C-31 text, a <div>, an appended <tr>, a replaced <td> and a <li>, mixed',
    before: `<b id="n"></b><div id="d"></div>${table('<tr id="r1"><td id="c1">1</td></tr>')}<ul id="l"></ul>`,
    patch: swap
      .innerHTML('#n', '2')
      .replace('<div id="d">new</div>')
      .beforeend('#rows', '<tr><td>2</td></tr>')
      .replace('<td id="c1">one</td>')
      .beforeend('#l', '<li>x</li>'),
    after: `<b id="n">2</b><div id="d">new</div>${table('<tr id="r1"><td id="c1">one</td></tr><tr><td>2</td></tr>')}<ul id="l"><li>x</li></ul>`,
  },
  {
    name: 'C-31 a <td>, a <tr>, a <tbody>, a <col> and a <p>, all bare',
    before:
      '<table><colgroup><col id="k"></colgroup><tbody id="b"></tbody></table><table><tbody><tr id="r"></tr><tr><td id="c"></td></tr></tbody></table><p id="p"></p>',
    patch: swap
      .replace('<p id="p">1</p>')
      .replace('<td id="c">2</td>')
      .replace('<tr id="r"><td>3</td></tr>')
      .replace('<tbody id="b"><tr><td>4</td></tr></tbody>')
      .replace('<col id="k" span="5">'),
    after:
      '<table><colgroup><col id="k" span="5"></colgroup><tbody id="b"><tr><td>4</td></tr></tbody></table><table><tbody><tr id="r"><td>3</td></tr><tr><td id="c">2</td></tr></tbody></table><p id="p">1</p>',
  },
  {
    name: 'C-31 <caption>, <thead>, <tbody> and <tfoot> bare, after a <p>',
    before:
      '<p id="p"></p><table><caption id="a"></caption><thead id="h"></thead><tbody id="b"></tbody><tfoot id="f"></tfoot></table>',
    patch: swap
      .replace('<p id="p">x</p>')
      .replace('<caption id="a">x</caption><thead id="h"><tr><th>x</th></tr></thead>')
      .replace('<tbody id="b"><tr><td>x</td></tr></tbody><tfoot id="f"></tfoot>'),
    after:
      '<p id="p">x</p><table><caption id="a">x</caption><thead id="h"><tr><th>x</th></tr></thead><tbody id="b"><tr><td>x</td></tr></tbody><tfoot id="f"></tfoot></table>',
  },
  {
    name: 'C-31 <caption>, <colgroup>, <thead> and <tbody> are put into a table',
    before: '<table id="t"></table>',
    patch: swap
      .innerHTML('#t', '<caption>x</caption><colgroup id="g"></colgroup>')
      .beforeend('#t', '<thead><tr><th>x</th></tr></thead>')
      .beforeend('#t', '<tbody><tr><td>x</td></tr></tbody>'),
    after:
      '<table id="t"><caption>x</caption><colgroup id="g"></colgroup><thead><tr><th>x</th></tr></thead><tbody><tr><td>x</td></tr></tbody></table>',
  },
  {
    name: 'C-31 a <col> is appended and replaced',
    before: '<table><colgroup id="g"><col id="k"></colgroup></table>',
    patch: swap.beforeend('#g', '<col span="2">').outerHTML('#k', '<col id="k" span="3">'),
    after: '<table><colgroup id="g"><col id="k" span="3"><col span="2"></colgroup></table>',
  },
  {
    name: 'C-31 a <li> is appended and replaced',
    before: '<ul id="l"><li id="a">1</li></ul>',
    patch: swap.beforeend('#l', '<li>2</li>').replace('<li id="a">one</li>'),
    after: '<ul id="l"><li id="a">one</li><li>2</li></ul>',
  },
  {
    name: 'C-31 <option> and <optgroup> are appended',
    before: '<select id="s"><option>1</option></select>',
    patch: swap
      .beforeend('#s', '<option value="2" selected="">2</option>')
      .beforeend('#s', '<optgroup label="g"><option>3</option></optgroup>'),
    after:
      '<select id="s"><option>1</option><option value="2" selected="">2</option><optgroup label="g"><option>3</option></optgroup></select>',
  },
  {
    name: 'C-31 an <option> is replaced, bare, beside a <tr>',
    before: `<select><option id="o">1</option></select>${table('<tr id="r"></tr>')}`,
    patch: swap.replace('<option id="o">one</option><tr id="r"><td>x</td></tr>'),
    after: `<select><option id="o">one</option></select>${table('<tr id="r"><td>x</td></tr>')}`,
  },
  {
    name: 'C-31 <dt> and <dd> are appended',
    before: '<dl id="l"></dl>',
    patch: swap.beforeend('#l', '<dt>a</dt><dd>b</dd>'),
    after: '<dl id="l"><dt>a</dt><dd>b</dd></dl>',
  },
  {
    name: 'C-31 a whole table, a <select> and a <template>',
    before: '<div id="d"></div>',
    patch: swap.innerHTML(
      '#d',
      `${table('<tr><td>1</td></tr>')}<select><option>1</option></select><template><i></i></template>`,
    ),
    after: `<div id="d">${table('<tr><td>1</td></tr>')}<select><option>1</option></select><template><i></i></template></div>`,
  },
  {
    name: 'C-31 a whole <svg>',
    before: '<div id="d"></div>',
    patch: swap.innerHTML('#d', '<svg id="s"><circle r="1"></circle></svg>'),
    after: '<div id="d"><svg id="s"><circle r="1"></circle></svg></div>',
    drawn: ['#s', '#s circle'],
  },
  {
    name: 'C-31 <circle>, <g> and <path> are appended, in order',
    before: drawing(''),
    patch: swap
      .beforeend('#plot', '<circle r="1"/><g><path d="M0 0"/></g>')
      .beforeend('#plot', '<path d="M1 1"></path>'),
    after: drawing('<circle r="1"></circle><g><path d="M0 0"></path></g><path d="M1 1"></path>'),
    drawn: ['#plot circle', '#plot g', '#plot g path', '#plot > path'],
  },
  {
    name: 'C-31 a <circle> is replaced, bare',
    before: drawing('<circle id="c" r="1"></circle>'),
    patch: swap.replace('<circle id="c" r="2"/>'),
    after: drawing('<circle id="c" r="2"></circle>'),
    drawn: ['#c'],
  },
  {
    name: 'C-31 a <circle> is replaced by two parts, wrapped',
    before: drawing('<circle id="c" r="1"></circle><g></g>'),
    patch: swap.outerHTML('#c', '<circle id="c" r="2"/><rect width="1"/>'),
    after: drawing('<circle id="c" r="2"></circle><rect width="1"></rect><g></g>'),
    drawn: ['#c', '#plot rect'],
  },
  {
    name: 'C-31 parts of a drawing before, after and at the beginning of others',
    before: drawing('<g id="g"><path></path></g>'),
    patch: swap
      .beforebegin('#g', '<rect/>')
      .afterend('#g', '<line/>')
      .afterbegin('#g', '<tspan>x</tspan>'),
    after: drawing('<rect></rect><g id="g"><tspan>x</tspan><path></path></g><line></line>'),
    drawn: ['#plot rect', '#plot line', '#g tspan'],
  },
  {
    name: 'C-31 a <text> of a drawing gets text',
    before: drawing('<text id="t">1</text>'),
    patch: swap.innerHTML('#t', '2 &amp; more'),
    after: drawing('<text id="t">2 &amp; more</text>'),
  },
  {
    name: 'C-31 a drawing is emptied and filled, then a part of it removed, in order',
    before: drawing('<g id="old"></g><circle id="c"></circle>'),
    patch: swap
      .delete('#plot > g')
      .innerHTML('#plot', '')
      .beforeend('#plot', '<g></g>')
      .delete('#old'),
    after: drawing('<g></g>'),
    drawn: ['#plot g'],
    noise: ['htmx:oobErrorNoTarget, #old'],
  },
  {
    name: 'C-31 parts of a drawing with a selector of many colons',
    before: drawing('<g class="a"></g><g></g>'),
    patch: swap.innerHTML('#plot > g:first-child:not(.x)', '<rect/>'),
    after: drawing('<g class="a"><rect></rect></g><g></g>'),
    drawn: ['#plot rect'],
  },
  {
    name: 'C-31 a <circle>, a <tr>, a <p> and text, mixed',
    before: `${drawing('<circle id="c"></circle>')}${table('<tr id="r"></tr>')}<p id="p"></p>`,
    patch: swap
      .replace('<p id="p"></p>')
      .replace('<circle id="c" r="2"/>')
      .beforeend('#plot', '<rect/>')
      .replace('<tr id="r"><td>1</td></tr>')
      .beforeend('#rows', '<tr><td>2</td></tr>')
      .innerHTML('#p', 'text'),
    after: `${drawing('<circle id="c" r="2"></circle><rect></rect>')}${table('<tr id="r"><td>1</td></tr><tr><td>2</td></tr>')}<p id="p"></p>`,
    drawn: ['#c', '#plot rect'],
  },
  {
    name: 'C-31 a <p>, a <circle> and a <tr>, all bare',
    before: `${drawing('<circle id="c"></circle>')}${table('<tr id="r"></tr>')}<p id="p"></p>`,
    patch: swap
      .replace('<p id="p">x</p>')
      .replace('<circle id="c" r="2"/>')
      .replace('<tr id="r"><td>1</td></tr>'),
    after: `${drawing('<circle id="c" r="2"></circle>')}${table('<tr id="r"><td>1</td></tr>')}<p id="p">x</p>`,
    drawn: ['#c'],
  },
]

const safety: Case[] = [
  {
    name: 'C-32 escaped text stays text',
    before: '<p id="a"></p>',
    patch: swap.innerHTML(
      '#a',
      Bun.escapeHTML('<img src=x onerror=alert(1)></hx-partial></template>'),
    ),
    after: '<p id="a">&lt;img src=x onerror=alert(1)&gt;&lt;/hx-partial&gt;&lt;/template&gt;</p>',
  },
  {
    name: 'C-32 a selector cannot leave its attribute',
    before: '<p id="a" title="&quot;><b>">x</p>',
    patch: swap.innerHTML("[title='\"><b>']", 'ok'),
    after: '<p id="a" title="&quot;&gt;&lt;b&gt;">ok</p>',
  },
]

const replays: Case[] = [
  {
    name: 'C-33 appending a <li> whose id is there replaces it',
    before: '<ul id="l"><li id="a">old</li><li id="b">2</li></ul>',
    patch: swap.beforeend('#l', '<li id="a">new</li>'),
    after: '<ul id="l"><li id="b">2</li><li id="a">new</li></ul>',
  },
  {
    name: 'C-33 appending a <tr> whose id is there replaces it',
    before: table('<tr id="job:1"><td>old</td></tr>'),
    patch: swap.beforeend('#rows', '<tr id="job:1"><td>new</td></tr><tr id="job:2"></tr>'),
    after: table('<tr id="job:1"><td>new</td></tr><tr id="job:2"></tr>'),
  },
  {
    name: 'C-33 putting first what is there replaces it',
    before: table('<tr></tr><tr id="r1"><td>old</td></tr>'),
    patch: swap.afterbegin('#rows', '<tr id="r1"><td>new</td></tr>'),
    after: table('<tr id="r1"><td>new</td></tr><tr></tr>'),
  },
  {
    name: 'C-33 appending a <circle> whose id is there replaces it',
    before: drawing('<circle id="c"></circle><g></g>'),
    patch: swap.beforeend('#plot', '<circle id="c" r="2"/>'),
    after: drawing('<g></g><circle id="c" r="2"></circle>'),
    drawn: ['#c'],
  },
  {
    name: 'C-33 an id that is not there yet is no error, and not logged as one',
    before: table(''),
    patch: swap.beforeend('#rows', '<tr id="r1"><td>new</td></tr>'),
    after: table('<tr id="r1"><td>new</td></tr>'),
  },
  {
    name: 'C-33 a part of a drawing that is not there yet is no error; htmx 2 logs one',
    before: drawing(''),
    patch: swap.beforeend('#plot', '<circle id="c"/>'),
    after: drawing('<circle id="c"></circle>'),
    drawn: ['#c'],
    noise: ['htmx:oobErrorNoTarget, #c'],
  },
  {
    name: 'C-33 the same id twice in one patch arrives once, as the later one',
    before: '<ul id="l"><li id="a">0</li></ul>',
    patch: swap
      .beforeend('#l', '<li id="a">1</li><li id="b">1</li>')
      .beforeend('#l', '<li id="c">2</li><li id="a">2</li>'),
    after: '<ul id="l"><li id="b">1</li><li id="c">2</li><li id="a">2</li></ul>',
  },
  {
    name: 'C-33 a list that is set and replayed into does not double',
    before: '<ul id="l"><li id="a">0</li></ul>',
    patch: swap.innerHTML('#l', '<li>1</li>').beforeend('#l', '<li id="a">2</li>'),
    after: '<ul id="l"><li>1</li><li id="a">2</li></ul>',
  },
]

/** What answers a request. */
const answer = swap.beforeend('#rows', '<tr id="r1"><td>1</td></tr>')

/** Strings as people write them by hand, to pin what each major makes of them. */
const facts: (Omit<Case, 'after'> & { after: Record<2 | 4, string> })[] = [
  {
    name: 'C-31 fact: <hx-partial> appends a row on both',
    before: table(''),
    patch: '<div>x</div><hx-partial hx-target="#rows" hx-swap="beforeend"><tr></tr></hx-partial>',
    after: { 2: table('<tr></tr>'), 4: table('<tr></tr>') },
  },
  {
    name: 'C-31 fact: a row after a <div> is lost on both',
    before: `<div id="d"></div>${table('<tr id="r"></tr>')}`,
    patch: '<div id="d" hx-swap-oob="true">x</div><tr id="r" hx-swap-oob="true"><td>1</td></tr>',
    after: {
      2: `<div id="d">x</div>${table('<tr id="r"></tr>')}`,
      4: `<div id="d">x</div>${table('<tr id="r"></tr>')}`,
    },
  },
  {
    name: 'C-31 fact: a <tbody> carries rows on both, if it is first',
    before: table(''),
    patch: '<tbody hx-swap-oob="beforeend:#rows"><tr></tr></tbody>',
    after: { 2: table('<tr></tr>'), 4: table('<tr></tr>') },
  },
  {
    name: 'C-31 fact: a <template> around a bare row works on htmx 2 only',
    before: table('<tr id="r"></tr>'),
    patch: '<template><tr id="r" hx-swap-oob="true"><td>1</td></tr></template>',
    after: { 2: table('<tr id="r"><td>1</td></tr>'), 4: table('<tr id="r"></tr>') },
  },
  {
    name: 'C-31 fact: a <tbody> after a <tr> is lost on both',
    before: table('<tr id="r"></tr>'),
    patch:
      '<tr id="r" hx-swap-oob="delete"></tr><tbody hx-swap-oob="beforeend:#rows"><tr></tr></tbody>',
    after: { 2: table(''), 4: table('') },
  },
  {
    name: 'C-30 fact: htmx 4 loses a selector with a colon, unless a space is before it',
    before: '<p>1</p><p>2</p>',
    patch:
      '<p hx-swap-oob="innerHTML:p:first-child">x</p><p hx-swap-oob="innerHTML: p:last-child">y</p>',
    after: { 2: '<p>x</p><p>y</p>', 4: '<p>1</p><p>y</p>' },
  },
  {
    name: 'C-31 fact: a <table> around a <tbody> carries rows on both',
    before: table(''),
    patch: '<p></p><table><tbody hx-swap-oob="beforeend:#rows"><tr></tr></tbody></table>',
    after: { 2: table('<tr></tr>'), 4: table('<tr></tr>') },
  },
  {
    name: 'C-33 fact: only htmx 2 can fill what the same patch brings',
    before: '<div id="d"></div>',
    patch: swap.beforeend('#d', '<ul id="l"></ul>').beforeend('#l', '<li></li>'),
    after: {
      2: '<div id="d"><ul id="l"><li></li></ul></div>',
      4: '<div id="d"><ul id="l"></ul></div>',
    },
  },
]

for (const major of [2, 4] as const) {
  describe(`htmx ${major}`, () => {
    let open: OpenPage
    let push: (data: string, event?: string) => void
    let sent = 0

    beforeAll(async () => {
      const site = serve((request) => {
        const { pathname } = new URL(request.url)
        if (pathname === '/htmx.js') return javascript(major === 2 ? scripts.htmx2 : scripts.htmx4)
        if (pathname === '/sse.js') return javascript(major === 2 ? scripts.sse2 : scripts.sse4)
        if (pathname === '/patch')
          return new Response(answer.html, { headers: { 'content-type': 'text/html' } })
        if (pathname !== '/s') return html(pageOf(major))
        const body = new ReadableStream<Uint8Array>({
          start(controller) {
            controller.enqueue(encode(':\n\n'))
            push = (data, event) => controller.enqueue(encode(frame({ data, event })))
          },
        })
        return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
      })
      open = await newPage()
      await open.page.goto(site.url)
      await until(() => push !== undefined, { what: 'the connection' })
    })

    for (const { name, before, patch, after, drawn = [], noise = [] } of [
      ...styles,
      ...parsing,
      ...safety,
      ...replays,
    ]) {
      test(name, async () => {
        await deliver(before, String(patch))
        expect(await stage()).toBe(after)
        expect(await namespaces(drawn)).toEqual(drawn.map(() => 'http://www.w3.org/2000/svg'))
        expect(open.seen.consoleErrors).toEqual(major === 2 ? noise : [])
        expect(open.seen.pageErrors).toEqual([])
      })
    }

    for (const { name, before, patch, after } of facts) {
      test(name, async () => {
        await deliver(before, String(patch))
        expect(await stage()).toBe(after[major])
      })
    }

    test('C-31 fact: a part of a drawing in a partial is no drawing on either', async () => {
      const circle = '<circle></circle>'
      await deliver(
        drawing(''),
        `<hx-partial hx-target="#plot" hx-swap="beforeend">${circle}</hx-partial>`,
      )
      expect(await namespaces(['#plot circle'])).toEqual(['http://www.w3.org/1999/xhtml'])
    })

    test('C-30 a patch that answers a request leaves its target alone', async () => {
      await setStage(`<button hx-get="/patch">go</button>${table('')}`)
      await open.page.click('button')
      await until(async () => (await stage()).includes('<td>'))
      await settled()
      expect(await open.page.textContent('button')).toBe('go')
      expect(await open.page.innerHTML('#rows')).toBe('<tr id="r1"><td>1</td></tr>')
    })

    test('C-33 a replayed message changes nothing', async () => {
      const patch = swap.beforeend('#rows', '<tr id="r1"><td>1</td></tr><tr id="r2"></tr>')
      await deliver(table(''), patch.html)
      const once = await stage()
      await deliver(undefined, patch.html)
      await deliver(undefined, patch.html)
      expect(await stage()).toBe(once)
    })

    if (major === 2) {
      test('C-33 a slot takes the removal of an item before the item, and logs nothing', async () => {
        const item = (text: string) => `${swap.delete('#k')}<li id="k">${text}</li>`
        await deliver('', item('1'), 'job:1')
        await deliver('', item('2'), 'job:1')
        expect(await open.page.innerHTML('#slot')).toBe('<li id="k">2</li>')
        expect(open.seen.consoleErrors).toEqual([])
      })

      test('C-33 a slot is reset by a patch under its own name', async () => {
        const patch = swap.innerHTML(slotSelector('job:1'), '<li id="k">3</li><li id="m">4</li>')
        await deliver('', patch.html, 'job:1')
        expect(await open.page.innerHTML('#slot')).toBe('<li id="k">3</li><li id="m">4</li>')
      })
    }

    /** Sets the container, sends one event and waits until htmx is done with it. */
    async function deliver(
      before: string | undefined,
      data: string,
      event?: string,
    ): Promise<void> {
      open.seen.consoleErrors.length = 0
      if (before !== undefined) await setStage(before)
      sent++
      push(data, event)
      await settled()
      expect(await open.page.innerHTML('#sink')).toBe('')
    }

    function setStage(markup: string): Promise<void> {
      return open.page.evaluate((markup) => {
        const stage = document.getElementById('stage')
        if (!stage) return
        stage.innerHTML = markup
        ;(window as unknown as { htmx: { process(element: Element): void } }).htmx.process(stage)
      }, markup)
    }

    async function settled(): Promise<void> {
      await open.page.waitForFunction(
        (count) =>
          (window as unknown as { handled: number }).handled >= count &&
          !document.querySelector('.htmx-added, .htmx-settling, .htmx-swapping'),
        sent,
        { timeout: 5_000 },
      )
    }

    function stage(): Promise<string> {
      return open.page.innerHTML('#stage')
    }

    function namespaces(selectors: string[]): Promise<(string | null | undefined)[]> {
      return open.page.evaluate(
        (all) => all.map((selector) => document.querySelector(selector)?.namespaceURI),
        selectors,
      )
    }
  })
}

afterAll(closeBrowser)

function pageOf(major: 2 | 4): string {
  const receiver =
    major === 2
      ? '<div hx-ext="sse" sse-connect="/s"><div id="sink" sse-swap="message" hx-swap="none"></div><ul id="slot" sse-swap="job:1" hx-swap="beforeend"></ul></div>'
      : '<div id="sink" hx-sse:connect="/s" hx-swap="none"></div>'
  return `<meta charset="utf-8"><link rel="icon" href="data:,"><script src="/htmx.js"></script><script src="/sse.js"></script>
<script>
  window.handled = 0
  for (const done of ['htmx:sseMessage', 'htmx:sse:after:message']) {
    document.addEventListener(done, () => window.handled++)
  }
</script>
<div id="stage"></div>${receiver}`
}
