// SPDX-License-Identifier: MIT
// The page of a report in a headless Chromium: no complaint of the console, nothing cut at 1280 and 390 px in light and
// dark, every control does what it says, and the numbers are those of summary.json and history.csv.
//   node page_test.mjs BROWSER SAMPLES PICTURES    SAMPLES: made by write_samples; PICTURES: folder for screenshots
// The last line is `N passed, N failed`.
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import {Browser} from './browser.mjs';

const [program, samples, pictures] = process.argv.slice(2);
mkdirSync(pictures, {recursive: true});
let passed = 0, failed = 0;
function check(what, ok, more = '') {
  ok ? ++passed : ++failed;
  if (!ok) console.log(`FAILED ${what}${more === '' ? '' : ': ' + more}`);
}
function equal(what, got, expected) {
  check(what, JSON.stringify(got) === JSON.stringify(expected), `${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
}
const address = (name, file = 'report.html') => pathToFileURL(resolve(samples, name, file)).href;
const near = (a, b) => Math.abs(a - b) < 1e-9;

const browser = new Browser(program);
const page = await browser.page();
const quiet = (what) => { equal(`${what}: the console is quiet`, page.complaints, []); page.complaints = []; };
const count = (selector) => page.value(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
const text = (selector) => page.value(`document.querySelector(${JSON.stringify(selector)}).textContent`);
const click = (selector) => page.value(`document.querySelector(${JSON.stringify(selector)}).click()`);
const choose = (id, value) => page.value(`(() => { const s = document.getElementById('${id}'); s.value = '${value}';
  s.dispatchEvent(new Event('change')); return s.value; })()`);
const curves = () => page.value(`(() => { const v = document.getElementById('explore-curves').view;
  return {x: [v.plot.scales.x.min, v.plot.scales.x.max], logX: v.plot.scales.x.distr, logY: v.plot.scales.y.distr,
          lines: v.lines.map((l) => ({label: l.label, x: l.x, y: l.y, band: !!l.low}))}; })()`);

// ---- what is visible is inside the window, and no word is cut off
const outside = (width) => `[...document.querySelectorAll('main *')].filter((e) => {
  if (e.closest('.scroll > table.confusion, svg, .u-wrap, legend')) return false;
  const r = e.getBoundingClientRect(), s = getComputedStyle(e);
  return r.width > 0 && s.visibility !== 'hidden' && (r.right > ${width} + 0.5 || r.left < -0.5);  // not innerWidth, which grows with what is too wide
}).map((e) => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 30)).slice(0, 3)`;
for (const name of ['three', 'arms', 'one', 'nothing', 'early', 'live'])
  for (const width of [1280, 390])
    for (const dark of [false, true]) {
      const what = `${name}, ${width} px, ${dark ? 'dark' : 'light'}`;
      await page.open(address(name), {width, dark});
      quiet(what);
      equal(`${what}: nothing is outside`, await page.value(outside(width)), []);
      equal(`${what}: no sideways scrolling`, await page.value(`document.documentElement.scrollWidth <= ${width}`), true);
      equal(`${what}: tables fit`, await page.value(`[...document.querySelectorAll('.table .scroll')].every((e) => e.scrollWidth <= e.clientWidth)`), true);
      equal(`${what}: theme`, await page.value('getComputedStyle(document.documentElement).backgroundColor'), dark ? 'rgb(15, 19, 24)' : 'rgb(244, 246, 248)');
      writeFileSync(join(pictures, `${name}-${width}-${dark ? 'dark' : 'light'}.png`), await page.picture());
    }

// ---- without scripts, and on paper, the static figures say it
for (const [what, how] of [['without scripts', {scripts: false}], ['without scripts, 390 px', {scripts: false, width: 390}], ['printed', {print: true}]]) {
  await page.open(address('three'), how);
  quiet(what);
  const shown = (id) => page.value(`document.getElementById('${id}').getBoundingClientRect().height > 100`);
  for (const figure of ['accuracy_curves', 'loss_curves', 'pretrain_curves', 'predictions', 'confusion'])
    equal(`${what}: ${figure}`, await shown('figure-' + figure), true);
  equal(`${what}: nothing to press`, await page.value(`[...document.querySelectorAll('.explore')].every((e) => e.offsetHeight === 0)`), true);
  if (how.width) equal(`${what}: the narrow figure`, await page.value(`document.querySelector('#figure-accuracy_curves .narrow svg').getBoundingClientRect().width > 300 &&
      document.querySelector('#figure-accuracy_curves .wide').offsetHeight === 0`), true);
  if (how.width) equal(`${what}: nothing is outside`, await page.value(outside(how.width)), []);
  writeFileSync(join(pictures, `three-${what.replaceAll(/[, ]+/g, '-')}.png`), await page.picture());
}

// ---- numbers
const summary = JSON.parse(readFileSync(join(samples, 'three', 'summary.json'), 'utf8'));
const history = readFileSync(join(samples, 'three', 'history.csv'), 'utf8').trim().split('\n').slice(1).map((line) => {
  const [experiment, arm, seed, step, epoch, seconds, split, loss, accuracy] = line.split(',');
  return {experiment, arm, seed: +seed, step: +step, seconds: +seconds, split, loss: +loss, accuracy: +accuracy};
});
await page.open(address('three'));
const rows = await page.value(`[...document.querySelector('.table table').tBodies[0].rows].map((r) => [...r.cells].map((c) => c.textContent.replaceAll('\\u00a0', ' ')))`);
summary.experiments.forEach((e, i) => ['scratch', 'pretrained'].forEach((arm, k) => {
  const row = rows[2 * i + k];
  equal('table: labels', row[0], `${100 * e.label_fraction} % (${e.labels.toLocaleString('en')})`);
  check('table: test accuracy', row[3].startsWith((100 * e[arm].test_accuracy).toFixed(2) + ' %'), row[3]);
  check('table: validation accuracy', row[2].startsWith((100 * e[arm].best_val_accuracy).toFixed(2) + ' %'), row[2]);
  check('table: macro-F1', row[4].startsWith((100 * e[arm].test_macro_f1).toFixed(2) + ' %'), row[4]);
  if (arm === 'pretrained') check('table: difference', near(parseFloat(row[6].replace('\u2212', '-')), +(100 * e.test_accuracy_difference.mean).toFixed(2)), row[6]);
}));
check('the first sentence says what to do', (await text('.lead')).startsWith('Use classifier_100_'), await text('.lead'));
check('what the test set can show is said', (await text('header')).includes('40 test images cannot show a difference below'));

// ---- curves: the mean over the chosen seeds, as history.csv has it
function mean(key, arm, split, field, seeds, offset = null) {
  const steps = [...new Set(history.filter((h) => h.experiment === key && h.arm === arm && h.split === split).map((h) => h.step))].sort((a, b) => a - b);
  const of = (step) => history.filter((h) => h.experiment === key && h.arm === arm && h.split === split && h.step === step && seeds.includes(h.seed));
  const average = (list, f) => list.reduce((sum, h) => sum + h[f], 0) / list.length;
  return {x: steps.map((s) => (offset === null ? s : average(of(s), 'seconds') + offset)), y: steps.map((s) => average(of(s), field))};
}
function same(what, line, expected) {
  check(what, line && line.x.length === expected.x.length && line.x.every((x, i) => near(x, expected.x[i])) && line.y.every((y, i) => near(y, expected.y[i])),
        JSON.stringify(line)?.slice(0, 120));
}
let drawn = await curves();
equal('curves: both arms', drawn.lines.map((l) => l.label), ['from scratch, mean of 3 seeds', 'pre-trained, mean of 3 seeds']);
for (const key of ['100', '50', '10']) {
  await choose('curve-fraction', key);
  for (const [measure, split, field] of [['accuracy', 'validation', 'accuracy'], ['loss', 'validation', 'loss'], ['train', 'train', 'loss']]) {
    await choose('curve-measure', measure);
    drawn = await curves();
    same(`curves: ${measure} ${key} scratch`, drawn.lines[0], mean(key, 'scratch', split, field, [0, 1, 2]));
    same(`curves: ${measure} ${key} pre-trained`, drawn.lines[1], mean(key, 'pretrained', split, field, [0, 1, 2]));
  }
}
await choose('curve-measure', 'accuracy');
await choose('curve-x', 'seconds');
drawn = await curves();
same('curves: by seconds', drawn.lines[1], mean('10', 'pretrained', 'validation', 'accuracy', [0, 1, 2], 0));
await choose('curve-x', 'total');
drawn = await curves();
same('curves: pre-training counted', drawn.lines[1], mean('10', 'pretrained', 'validation', 'accuracy', [0, 1, 2], summary.pretrain.seconds));
same('curves: not for scratch', drawn.lines[0], mean('10', 'scratch', 'validation', 'accuracy', [0, 1, 2], 0));
await choose('curve-x', 'step');
await click('#curve-seed-1');
drawn = await curves();
same('curves: without seed 1', drawn.lines[1], mean('10', 'pretrained', 'validation', 'accuracy', [0, 2]));
await click('#curve-seed-1');
await click('#curve-each');
drawn = await curves();
equal('curves: every seed', drawn.lines.length, 8);
same('curves: seed 1', drawn.lines[1], mean('10', 'scratch', 'validation', 'accuracy', [1]));
await click('#curve-each');
await click('#curve-scratch');
equal('curves: one arm', (await curves()).lines.map((l) => l.label), ['pre-trained, mean of 3 seeds']);
await click('#curve-pretrained');
check('curves: none says so', (await text('.chart')).includes('Nothing is chosen'));
await click('#curve-scratch');
await click('#curve-pretrained');
equal('curves: uncertainty', (await curves()).lines.map((l) => l.band), [true, true]);
await click('#curve-noise');
equal('curves: without it', (await curves()).lines.map((l) => l.band), [false, false]);
await click('#curve-log-x');
equal('curves: logarithmic x', (await curves()).logX, 3);
await click('#curve-log-x');
await click('#curve-log-y');
drawn = await curves();
equal('curves: logarithmic y', [drawn.logX, drawn.logY], [1, 3]);
await click('#curve-log-y');
await choose('curve-measure', 'pretext');
drawn = await curves();
equal('curves: pre-training', drawn.lines.map((l) => l.y.length), [11]);
await choose('curve-measure', 'accuracy');

// zoom, by buttons, keys and mouse; values by keys and mouse
const width = async () => { const {x} = await curves(); return x[1] - x[0]; };
const all = await width();
await click('#curve-in');
check('zoom in', near(await width(), all / 2), await width());
await click('#curve-out');
check('zoom out', near(await width(), all), await width());
await page.value(`document.querySelector('.chart').focus()`);
await page.key('+');
check('zoom by key', near(await width(), all / 2), await width());
await page.key('0');
check('whole by key', near(await width(), all), await width());
await page.key('End');
check('values by key', (await text('#chart-readout')).startsWith('step 1,000'), await text('#chart-readout'));
const last = mean('10', 'scratch', 'validation', 'accuracy', [0, 1, 2]).y.at(-1);
check('values are those of the run', (await text('#chart-readout')).includes((100 * last).toFixed(1)), await text('#chart-readout'));
const before = await text('#chart-readout');
await page.key('ArrowLeft');
check('one to the left', (await text('#chart-readout')) !== before);
const box = await page.value(`(() => { const e = document.querySelector('.u-over'); e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); return [r.left, r.top, r.width, r.height]; })()`);
await page.mouse('mouseMoved', box[0] + box[2] / 2, box[1] + box[3] / 2);
check('values by pointer', /^step [45]\d\d/.test(await text('#chart-readout')), await text('#chart-readout'));
await page.mouse('mousePressed', box[0] + box[2] * 0.25, box[1] + box[3] / 2, 'left');
await page.mouse('mouseMoved', box[0] + box[2] * 0.5, box[1] + box[3] / 2, 'left');
await page.mouse('mouseReleased', box[0] + box[2] * 0.5, box[1] + box[3] / 2, 'left');
await page.value('new Promise((done) => setTimeout(done, 50))');
check('zoom by dragging', Math.abs((await width()) / all - 0.25) < 0.02, await width());
await click('#curve-whole');
check('the whole curve', near(await width(), all));
check('the chart has words for who cannot see it', (await page.value(`document.querySelector('.chart').getAttribute('aria-label')`)).startsWith('Validation accuracy with 10 % of the labels: from scratch'));

// ---- tables sort by any column, and come back
const column = (c) => page.value(`[...document.querySelector('.table table').tBodies[0].rows].map((r) => r.cells[${c}].textContent.replaceAll('\\u00a0', ' '))`);
const unsorted = await column(3);
await click('.table table th:nth-child(4) button');
const numbers = (await column(3)).map(parseFloat);
check('sorted downwards', numbers.every((v, i) => i === 0 || numbers[i - 1] >= v), numbers);
equal('says so', await page.value(`document.querySelector('.table table th:nth-child(4)').ariaSort`), 'descending');
await click('.table table th:nth-child(4) button');
const upwards = (await column(3)).map(parseFloat);
check('sorted upwards', upwards.every((v, i) => i === 0 || upwards[i - 1] <= v), upwards);
await click('.table table th:nth-child(4) button');
equal('as it was', await column(3), unsorted);
// Times are sorted as times: "1 min 45 s" is more than "25 s".
const times = await page.value(`(() => { const t = [...document.querySelectorAll('.table table')].at(-1), h = t.tHead.rows[0].cells;
  h[h.length - 1].querySelector('button').click(); return [...t.tBodies[0].rows].map((r) => r.cells[h.length - 1].textContent); })()`);
check('times sorted as times', times[0].includes('min') && !times.at(-1).includes('min'), times);

// ---- confusions of every fraction and arm
for (const e of summary.experiments)
  for (const arm of ['scratch', 'pretrained']) {
    await choose('confusion-fraction', String(100 * e.label_fraction));
    await choose('confusion-arm', arm);
    check(`confusion: ${100 * e.label_fraction} ${arm}`, (await text('#explore-confusion .note')).includes(`: ${(100 * e[arm].test_accuracy).toFixed(2)}`), await text('#explore-confusion .note'));
    equal('confusion: 4 x 4', await count('.confusion tbody td'), 16);
  }

// ---- images
const data = JSON.parse(await text('#run-data'));
for (const key of ['100', '50', '10']) {
  await choose('gallery-fraction', key);
  const answers = data.gallery.answers[key];
  const wrong = (arm, i) => answers[arm][i][0] !== data.gallery.images[i].label;
  const expected = {
    sample: (i) => data.gallery.images[i].sample, scratch: (i) => wrong('scratch', i), pretrained: (i) => wrong('pretrained', i),
    wrong: (i) => wrong('scratch', i) || wrong('pretrained', i), disagree: (i) => answers.scratch[i][0] !== answers.pretrained[i][0]};
  for (const [filter, holds] of Object.entries(expected)) {
    await choose('gallery-filter', filter);
    equal(`images: ${key} ${filter}`, await count('#explore-gallery .tile'), data.gallery.images.filter((_, i) => holds(i)).length);
  }
  const e = summary.experiments.find((x) => String(100 * x.label_fraction) === key);
  equal(`images: ${key} counts`, data.gallery.counts[key].scratch, Math.round(40 * (1 - e.scratch.test_accuracy_per_seed[0])));
}
await choose('gallery-filter', 'sample');
await choose('gallery-class', '1');
equal('images: one class', await page.value(`[...new Set([...document.querySelectorAll('#explore-gallery .tile b')].map((b) => b.textContent))]`), ['car']);
equal('images: they are pictures', await page.value(`[...document.querySelectorAll('#explore-gallery img')].every((i) => i.naturalWidth === 16)`), true);
equal('everything has a name', await page.value(`[...document.querySelectorAll('select,input')].every((e) => e.labels.length === 1) && [...document.querySelectorAll('button')].every((b) => b.textContent.trim())`), true);
quiet('after all of it');

// ---- further arms are lines like the others, behind what they need
await page.open(address('arms'));
equal('further arms', (await curves()).lines.map((l) => l.label.split(', mean')[0]), ['from scratch', 'pre-trained', 'from scratch, student', 'from scratch, same time']);
await choose('curve-x', 'total');
drawn = await curves();
equal('further arms begin after their teacher', drawn.lines.map((l) => l.x[0]), [0, 90, 40, 0]);
await click('#curve-scratch_selftrained');
equal('further arms go', (await curves()).lines.length, 3);
await choose('curve-fraction', '100');
equal('further arms of this fraction only', (await curves()).lines.length, 2);
quiet('further arms');

// ---- names from outside stay text
await page.open(address('one'));
equal('markup in names', await page.value(`document.querySelectorAll('main b:empty, body > b').length`), 0);
check('names as they are', (await text('#gallery-class')).includes('</script><b>x'));
quiet('names that are markup');

// ---- a page whose run goes on is loaded again, and the reader stays where they are
const waiting = join(samples, 'live', 'now.html');
const writeNow = (name, written = Date.now() / 1000, words = '') => writeFileSync(waiting, readFileSync(join(samples, name), 'utf8')
    .replace(/data-written="\d+"/, `data-written="${Math.round(written)}"`).replace('The run goes on.', 'The run goes on.' + words));
const becomes = async (what, expression, seconds = 15) => {
  for (let i = 0; i < 20 * seconds; ++i) {
    if (await page.value(`document.readyState === 'complete' && (${expression})`).catch(() => false)) return check(what, true);
    await new Promise((done) => setTimeout(done, 50));
  }
  check(what, false, expression);
};
for (const name of ['early', 'live'])
  for (const width of [1280, 390]) {
    writeNow(join(name, 'going.html'));
    await page.open(address('live', 'now.html'), {width});
    quiet(`${name}, going on, ${width} px`);
    equal(`${name}, going on, ${width} px: nothing is outside`, await page.value(outside(width)), []);
    check(`${name}, going on: says so`, (await text('#run-status')).includes('The run goes on.'));
    writeFileSync(join(pictures, `${name}-going-${width}.png`), await page.picture());
  }
equal('early: the curve that grows', await (async () => { writeNow('early/going.html'); await page.open(address('live', 'now.html')); return (await curves()).lines.map((l) => [l.label, l.x.at(-1)]); })(),
      [['pre-training, under way', 250]]);
writeNow('live/going.html');
await page.open(address('live', 'now.html'));
equal('live: what is under way is shown', await page.value(`document.getElementById('curve-fraction').value`), '10');
equal('live: the curve that grows is no part of a mean', (await curves()).lines.map((l) => [l.label, l.x.at(-1)]),
      [['from scratch, mean of 3 seeds', 1000], ['pre-trained, seed 2, under way', 354], ['pre-trained, mean of 2 seeds', 1000]]);
await choose('curve-fraction', '100');
await choose('curve-measure', 'loss');
await click('#curve-noise');
await click('#curve-in');
await click('.table table th:nth-child(4) button');
const zoomed = (await curves()).x;
await page.value(`document.querySelector('details').open = true`);
await page.value(`document.getElementById('curve-fraction').focus()`);
await page.value(`document.querySelectorAll('h3')[3].scrollIntoView()`);
const place = await page.value(`document.querySelectorAll('h3')[3].getBoundingClientRect().top`);
writeNow('live/going.html', undefined, ' Again.');
await becomes('live: the page is loaded again', `document.querySelector('#run-status').textContent.includes('Again.')`);
const still = async (what) => {
  equal(`${what}: controls`, await page.value(`[document.getElementById('curve-fraction').value, document.getElementById('curve-measure').value, document.getElementById('curve-noise').checked]`), ['100', 'loss', false]);
  equal(`${what}: the drawing follows them`, (await curves()).lines[0].y[0], mean('100', 'scratch', 'validation', 'loss', [0, 1, 2]).y[0]);
  equal(`${what}: zoom`, (await curves()).x, zoomed);
  equal(`${what}: the order of a table`, (await column(3)).map(parseFloat), (await column(3)).map(parseFloat).sort((a, b) => b - a));
  equal(`${what}: what was opened`, await page.value(`document.querySelector('details').open`), true);
  equal(`${what}: the keyboard's place`, await page.value('document.activeElement.id'), 'curve-fraction');
  check(`${what}: the reader's place`, Math.abs((await page.value(`document.querySelectorAll('h3')[3].getBoundingClientRect().top`)) - place) < 2);
};
await still('live');
await click('#follow-run');
writeNow('live/going.html', undefined, ' Later.');
await new Promise((done) => setTimeout(done, 3000));
check('live: not where the reader does not want it', !(await text('#run-status')).includes('Later.'));
await click('#follow-run');
await becomes('live: again', `document.querySelector('#run-status').textContent.includes('Later.')`);
writeFileSync(waiting, readFileSync(join(samples, 'three', 'report.html')));
await becomes('live: the finished report takes its place', `!document.getElementById('run-status')`);
await still('finished');
await new Promise((done) => setTimeout(done, 2500));
await page.value(`window.stayed = true`);
await new Promise((done) => setTimeout(done, 2500));
equal('finished: not loaded again', await page.value('window.stayed'), true);
writeNow('live/going.html', Date.now() / 1000 - 600);
await page.open(address('live', 'now.html'));
check('a page that is not written any more says so', (await text('#run-status strong')).startsWith('The run has ended without finishing'), await text('#run-status strong'));
await page.open(address('live'));
check('a stopped run says so', (await text('#run-status')).includes('The run was stopped.') && (await text('#run-status')).includes('Start it again'));
equal('a stopped run: nothing to follow', await count('#follow-run'), 0);
quiet('pages of runs that go on');
writeNow('live/going.html');
await page.open(address('live', 'now.html'), {scripts: false});
equal('without scripts: nothing to press', await page.value(`[...document.querySelectorAll('.explore')].every((e) => e.offsetHeight === 0)`), true);
writeNow('live/going.html', undefined, ' Again.');
await becomes('without scripts: the page is loaded again', `document.querySelector('#run-status').textContent.includes('Again.')`);

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
