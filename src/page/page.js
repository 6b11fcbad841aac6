// SPDX-License-Identifier: MIT
// What a report's page can do where scripts run: curves to look into, tables to sort, confusions and images of any
// label fraction. The page says everything without it, by static figures. All text goes in as text, never as markup.
// scripts/update-page.sh makes include/contexture/report/page_script.hpp from this file.
(function () {
  'use strict';
  var holder = document.getElementById('run-data');
  if (!holder) return;
  var data = JSON.parse(holder.textContent);
  var root = document.documentElement;
  root.classList.add('script');
  var ARMS = [['scratch', 'from scratch'], ['pretrained', 'pre-trained']];

  function make(tag, attributes, children) {
    var node = document.createElement(tag);
    Object.keys(attributes || {}).forEach(function (name) {
      if (attributes[name] === true) node.setAttribute(name, '');
      else if (attributes[name] !== false && attributes[name] != null) node.setAttribute(name, attributes[name]);
    });
    (children || []).forEach(function (child) {
      node.appendChild(typeof child === 'string' ? document.createTextNode(child) : child);
    });
    return node;
  }
  function colour(name) { return getComputedStyle(root).getPropertyValue('--' + name).trim(); }
  function grouped(n) { return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ','); }
  function percent(share, digits) { return (100 * share).toFixed(digits == null ? 1 : digits) + '\u00a0%'; }

  // What the reader chose, by control and by table, to be kept where the page is loaded again.
  var kept = {controls: {}, sorted: {}};

  // A labelled list to choose from; `changed` gets the value.
  function choice(id, label, options, changed) {
    var list = make('select', {id: id}, options.map(function (o) { return make('option', {value: o[0]}, [o[1]]); }));
    list.addEventListener('change', function () { kept.controls[id] = list.value; changed(list.value); });
    return make('label', {for: id}, [label + ' ', list]);
  }
  function tick(id, label, on, changed, dot) {
    var box = make('input', {type: 'checkbox', id: id, checked: on});
    box.addEventListener('change', function () { kept.controls[id] = box.checked; changed(box.checked); });
    return make('label', {for: id, 'class': 'tick'}, [box].concat(
        dot ? [make('i', {'class': 'dot', style: 'background:var(--' + dot + ')'})] : [], [label]));
  }
  function button(id, label, pressed) {
    var b = make('button', {type: 'button', id: id}, [label]);
    b.addEventListener('click', pressed);
    return b;
  }
  function fractions(wanted) {
    return data.experiments.filter(wanted || Boolean).map(function (e) { return [e.key, e.key + '\u00a0% of the labels']; });
  }
  function experiment(key) { return data.experiments.filter(function (e) { return e.key === key; })[0]; }

  // ---------------------------------------------------------------- tables

  // The number that a cell shows, for sorting: times in seconds, words last.
  function valueOf(text) {
    var t = text.replace(/\u2212/g, '-').replace(/,/g, '').replace(/\u00a0/g, ' ').trim();
    var time = /^(?:(\d+) h)? ?(?:(\d+) min)? ?(?:([\d.]+) s)?(?: \(|$)/.exec(t);
    if (time && (time[1] || time[2] || time[3])) return 3600 * (time[1] || 0) + 60 * (time[2] || 0) + 1 * (time[3] || 0);
    var number = /^[^\d+-]*([+-]?\d+(?:\.\d+)?)/.exec(t);
    return number ? parseFloat(number[1]) : null;
  }
  function sortable(table) {
    var body = table.tBodies[0], rows = Array.prototype.slice.call(body.rows);
    var heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
    var name = heads.map(function (h) { return h.textContent; }).join('|');
    heads.forEach(function (head, column) {
      var press = make('button', {type: 'button', title: 'Sort by this column'}, Array.prototype.slice.call(head.childNodes));
      head.appendChild(press);
      press.addEventListener('click', function () {
        var next = {none: 'descending', descending: 'ascending', ascending: 'none'}[head.getAttribute('aria-sort') || 'none'];
        heads.forEach(function (h) { h.removeAttribute('aria-sort'); });
        if (next !== 'none') head.setAttribute('aria-sort', next);
        kept.sorted[name] = [column, next];
        table.classList.toggle('sorted', next !== 'none');
        var order = rows.map(function (row, i) {
          var text = row.cells[column].textContent;
          return {row: row, i: i, text: text, value: valueOf(text)};
        });
        if (next !== 'none') {
          var sign = next === 'ascending' ? 1 : -1;
          order.sort(function (a, b) {
            if (a.value == null || b.value == null) {
              if (a.value != null) return -1;
              if (b.value != null) return 1;
              return sign * a.text.localeCompare(b.text) || a.i - b.i;
            }
            return sign * (a.value - b.value) || a.i - b.i;
          });
        }
        order.forEach(function (o) { body.appendChild(o.row); });
      });
    });
  }

  // ---------------------------------------------------------------- curves

  var MEASURES = {
    accuracy: {name: 'Validation accuracy', split: 'validation', field: 'accuracy', share: true},
    loss: {name: 'Validation loss', split: 'validation', field: 'loss'},
    train: {name: 'Training loss', split: 'train', field: 'loss'},
    pretext: {name: 'Pre-training: accuracy of its task', split: 'validation', field: 'accuracy', share: true, pretraining: true},
    pretextLoss: {name: 'Pre-training: loss of its task', split: 'validation', field: 'loss', pretraining: true}
  };

  function curves(place) {
    var growing = data.under_way || {}, all = ARMS.concat(data.more_arms || []);
    var first = (growing.key && experiment(growing.key)) || data.experiments[data.experiments.length - 1];
    var pretrains = (data.pretraining || []).length && (!data.experiments.length || growing.key === null);
    var view = {measure: pretrains ? 'pretext' : 'accuracy', key: first ? first.key : '', x: 'step',
                logX: false, logY: false, each: false, noise: true, arms: {}, seeds: {}};
    all.forEach(function (arm) { view.arms[arm[0]] = true; });
    var seeds = [];
    data.experiments.forEach(function (e) {
      e.seeds.forEach(function (s) { if (seeds.indexOf(s) < 0) seeds.push(s); });
    });
    (data.pretraining || []).forEach(function (c) { if (seeds.indexOf(c.seed) < 0) seeds.push(c.seed); });
    seeds.forEach(function (s) { view.seeds[s] = true; });
    var chart = make('div', {'class': 'chart', tabindex: '0', role: 'application', 'aria-roledescription': 'chart',
                             'aria-describedby': 'chart-help'});
    var readout = make('output', {'class': 'readout', id: 'chart-readout', 'aria-live': 'polite'});
    var plot = null, lines = [];

    // The lines to draw: [{label, ink, x, y, thin, low, high}].
    function chosen() {
      var m = MEASURES[view.measure], out = [];
      var source = m.pretraining ? [['pretrained', 'pre-training', data.pretraining || [], 0, 'pretext']]
                                 : all.filter(function (a) { return view.arms[a[0]] && experiment(view.key)[a[0]]; }).map(function (a) {
        var arm = experiment(view.key)[a[0]];
        return [a[2] || a[0], a[1], arm.curves, arm.before || (a[0] === 'pretrained' ? data.pretrain_seconds || 0 : 0), a[0]];
      });
      source.forEach(function (arm) {
        var sum = {}, used = 0;
        arm[2].forEach(function (curve) {
          var c = curve[m.split];
          if (!view.seeds[curve.seed] || !c) return;
          // A curve that grows is shorter than the others: no part of their mean.
          var grows = growing.arm === arm[4] && growing.seed === curve.seed && growing.key === (m.pretraining ? null : view.key);
          if (!grows) ++used;
          var x = [], y = [];
          c.step.forEach(function (step, i) {
            if (c[m.field][i] == null) return;
            var at = view.x === 'step' ? step : c.seconds[i] + (view.x === 'total' && !m.pretraining ? arm[3] : 0);
            x.push(at);
            y.push(c[m.field][i]);
            if (grows) return;
            var s = sum[step] || (sum[step] = {n: 0, x: 0, y: 0});
            s.n += 1; s.x += at; s.y += c[m.field][i];
          });
          if (grows && x.length) out.push({label: arm[1] + (seeds.length > 1 ? ', seed ' + curve.seed : '') + ', under way', ink: arm[0], x: x, y: y});
          else if (view.each && x.length) out.push({label: arm[1] + ', seed ' + curve.seed, ink: arm[0], x: x, y: y, thin: true});
        });
        if (!used) return;
        var line = {label: arm[1] + (used > 1 ? ', mean of ' + used + ' seeds' : ''), ink: arm[0], x: [], y: []};
        Object.keys(sum).map(Number).sort(function (a, b) { return a - b; }).forEach(function (step) {
          if (sum[step].n < used) return;  // a mean over fewer seeds would jump
          line.x.push(sum[step].x / used);
          line.y.push(sum[step].y / used);
        });
        if (view.noise && m.share && !m.pretraining && data.images.validation > 0) {
          var half = line.y.map(function (p) { return 2 * Math.sqrt(Math.max(0, p * (1 - p)) / data.images.validation); });
          line.low = line.y.map(function (p, i) { return Math.max(0, p - half[i]); });
          line.high = line.y.map(function (p, i) { return Math.min(1, p + half[i]); });
        }
        if (line.x.length) out.push(line);
      });
      return out;
    }
    function shown(value) {
      if (value == null) return '\u2013';
      return MEASURES[view.measure].share ? percent(value) : value.toFixed(4);
    }
    function tell(u) {
      var i = u.cursor.idx;
      readout.textContent = '';
      if (i == null || u.data[0][i] == null) {
        readout.textContent = 'Move over the chart, or use the arrow keys on it, to read values.';
        return;
      }
      var x = u.data[0][i];
      readout.appendChild(make('b', {}, [view.x === 'step' ? 'step ' + grouped(Math.round(x)) : x.toFixed(1) + ' s']));
      lines.forEach(function (line) {
        readout.appendChild(make('span', {}, [make('i', {'class': 'dot', style: 'background:var(--' + line.ink + ')'}),
                                              line.label + ': ' + shown(u.data[line.at][u.cursor.idxs[line.at]])]));
      });
    }
    function draw() {
      lines = chosen();
      if (plot) plot.destroy();
      plot = null;
      chart.textContent = '';
      readout.textContent = '';
      if (!lines.length) {
        chart.appendChild(make('p', {'class': 'quiet'}, ['Nothing is chosen that was measured.']));
        return;
      }
      var tables = [], series = [{}], bands = [];
      lines.forEach(function (line) {
        // A logarithm has no place for what is not above zero.
        var keep = line.x.map(function (x, i) { return (!view.logX || x > 0) && (!view.logY || line.y[i] > 0); });
        function kept(list) { return list.filter(function (_, i) { return keep[i]; }); }
        if (line.low) {
          tables.push([kept(line.x), kept(line.high), kept(line.low)]);
          [0, 1].forEach(function () { series.push({stroke: 'transparent', width: 0, points: {show: false}, spanGaps: true}); });
          bands.push({series: [series.length - 2, series.length - 1], fill: colour(line.ink) + '22'});
        }
        tables.push([kept(line.x), kept(line.y)]);
        line.at = series.length;
        series.push({label: line.label, stroke: colour(line.ink), width: line.thin ? 1 : 2.4, spanGaps: true,
                     alpha: line.thin ? 0.55 : 1, points: {show: line.x.length < 25 && !line.thin, size: 5}});
      });
      var m = MEASURES[view.measure], muted = colour('muted'), grid = {stroke: colour('line'), width: 1};
      var axis = {stroke: muted, grid: grid, ticks: grid, font: '12px system-ui,sans-serif', labelFont: '13px system-ui,sans-serif'};
      plot = new uPlot({
        width: Math.max(240, chart.clientWidth), height: chart.clientWidth < 500 ? 280 : 380, series: series, bands: bands,
        scales: {x: {time: false, distr: view.logX ? 3 : 1}, y: {distr: view.logY ? 3 : 1}},
        legend: {show: false}, cursor: {drag: {x: true, y: false}, focus: {prox: 24}},
        axes: [Object.assign({}, axis, {label: view.x === 'step' ? 'optimiser steps'
                                               : view.x === 'total' ? 'seconds, pre-training included' : 'seconds of training'}),
               Object.assign({}, axis, {size: 58, label: m.name, values: function (u, ticks) {
                 return ticks.map(function (t) { return t == null ? '' : m.share ? +(100 * t).toFixed(2) + ' %' : String(+t.toFixed(4)); });
               }})],
        hooks: {setCursor: [tell]}
      }, uPlot.join(tables, tables.map(function (t) { return t.slice(1).map(function () { return 1; }); })), chart);
      chart.setAttribute('aria-label', m.name + (m.pretraining ? '' : ' with ' + view.key + ' % of the labels') + ': ' +
          lines.map(function (line) {
            return line.label + ' from ' + shown(line.y[0]) + ' to ' + shown(line.y[line.y.length - 1]);
          }).join('; '));
      tell(plot);
      place.view = {lines: lines, plot: plot, state: view};  // for whoever looks from outside
    }
    function zoom(factor) {
      if (!plot) return;
      var s = plot.scales.x, middle = plot.cursor.idx != null && plot.data[0][plot.cursor.idx] != null ? plot.data[0][plot.cursor.idx]
                                                                                         : (s.min + s.max) / 2;
      var all = plot.data[0], low = Math.max(all[0], middle - (middle - s.min) * factor);
      var high = Math.min(all[all.length - 1], middle + (s.max - middle) * factor);
      if (high > low) plot.setScale('x', {min: low, max: high});
    }
    function whole() { if (plot) plot.setScale('x', {min: plot.data[0][0], max: plot.data[0][plot.data[0].length - 1]}); }
    chart.addEventListener('keydown', function (event) {
      if (!plot) return;
      var n = plot.data[0].length, i = plot.cursor.idx;
      if (event.key === 'ArrowRight') i = i == null ? 0 : Math.min(n - 1, i + 1);
      else if (event.key === 'ArrowLeft') i = i == null ? n - 1 : Math.max(0, i - 1);
      else if (event.key === 'Home') i = 0;
      else if (event.key === 'End') i = n - 1;
      else if (event.key === '+' || event.key === '=') return zoom(0.5);
      else if (event.key === '-') return zoom(2);
      else if (event.key === '0' || event.key === 'Escape') return whole();
      else return;
      event.preventDefault();
      plot.setCursor({left: plot.valToPos(plot.data[0][i], 'x'), top: plot.bbox.height / devicePixelRatio / 2});
    });

    var bar = make('div', {'class': 'controls'});
    function set(name) { return function (value) { view[name] = value; draw(); }; }
    bar.appendChild(choice('curve-measure', 'Show', Object.keys(MEASURES).filter(function (k) {
      return MEASURES[k].pretraining ? (data.pretraining || []).length : data.experiments.length;
    }).map(function (k) { return [k, MEASURES[k].name]; }), set('measure')));
    bar.querySelector('#curve-measure').value = view.measure;
    if (data.experiments.length) {
      bar.appendChild(choice('curve-fraction', 'with', fractions(), set('key')));
      bar.querySelector('#curve-fraction').value = view.key;
    }
    bar.appendChild(choice('curve-x', 'by', [['step', 'optimiser steps'], ['seconds', 'seconds of training']].concat(
        data.pretrain_seconds ? [['total', 'seconds with pre-training']] : []), set('x')));
    var marks = make('fieldset', {'class': 'controls'}, [make('legend', {}, ['Arms, seeds and axes'])]);
    all.forEach(function (arm) {
      marks.appendChild(tick('curve-' + arm[0], arm[1], true, function (on) { view.arms[arm[0]] = on; draw(); }, arm[2] || arm[0]));
    });
    if (seeds.length > 1) {
      marks.appendChild(tick('curve-each', 'every seed', false, set('each')));
      seeds.forEach(function (s) {
        marks.appendChild(tick('curve-seed-' + s, 'seed ' + s, true, function (on) { view.seeds[s] = on; draw(); }));
      });
    }
    marks.appendChild(tick('curve-noise', 'uncertainty of the ' + grouped(data.images.validation) + ' validation images', true, set('noise')));
    marks.appendChild(tick('curve-log-x', 'logarithmic x', false, set('logX')));
    marks.appendChild(tick('curve-log-y', 'logarithmic y', false, set('logY')));
    place.appendChild(bar);
    place.appendChild(marks);
    place.appendChild(chart);
    place.appendChild(readout);
    place.appendChild(make('div', {'class': 'controls'}, [
      button('curve-in', 'Zoom in', function () { zoom(0.5); }), button('curve-out', 'Zoom out', function () { zoom(2); }),
      button('curve-whole', 'Whole curve', whole),
      make('span', {'class': 'quiet', id: 'chart-help'}, ['Drag over a part of the chart to see it larger. On the keyboard: arrows, +, \u2212 and 0.'])]));
    place.hidden = false;
    draw();
    var width = chart.clientWidth;
    window.addEventListener('resize', function () {
      if (chart.clientWidth !== width) { width = chart.clientWidth; draw(); }
    });
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
  }

  // ---------------------------------------------------------------- confusions

  function confused(e) { return e.scratch.confusion && e.pretrained.confusion; }
  function confusion(place) {
    var view = {key: place.dataset.fraction, arm: 'pretrained'};
    var out = make('div', {}), note = make('p', {'class': 'note', 'aria-live': 'polite'});
    function draw() {
      var counts = experiment(view.key)[view.arm].confusion, n = data.classes.length, matrix = {}, total = {}, right = 0, all = 0;
      counts.forEach(function (c) {
        matrix[c[0] * n + c[1]] = c[2];
        total[c[0]] = (total[c[0]] || 0) + c[2];
        all += c[2];
        if (c[0] === c[1]) right += c[2];
      });
      out.textContent = '';
      note.textContent = grouped(right) + ' of ' + grouped(all) + ' answers are right, all seeds together: ' + percent(right / all, 2) + '.';
      if (n <= 26) {
        var table = make('table', {'class': 'confusion'});
        table.appendChild(make('caption', {}, ['Rows: true class; columns: answer; in percent of the true class']));
        table.appendChild(make('thead', {}, [make('tr', {}, [make('td', {})].concat(data.classes.map(function (name) {
          return make('th', {scope: 'col', title: name}, [make('span', {}, [name])]);
        })))]));
        var body = make('tbody', {});
        data.classes.forEach(function (truth, t) {
          var row = make('tr', {}, [make('th', {scope: 'row', title: truth}, [truth])]);
          data.classes.forEach(function (answer, a) {
            var c = matrix[t * n + a] || 0, share = total[t] ? c / total[t] : 0;
            var cell = make('td', {title: truth + ' taken for ' + answer + ': ' + c + ' of ' + (total[t] || 0)},
                            [share >= 0.005 ? (100 * share).toFixed(0) : c ? '<1' : '']);
            if (c) cell.style.background = 'color-mix(in srgb,var(--' + (t === a ? 'right' : 'wrong') + ') ' + (85 * Math.sqrt(share)).toFixed(0) + '%,transparent)';
            if (share > 0.3) cell.style.color = 'var(--paper)';
            row.appendChild(cell);
          });
          body.appendChild(row);
        });
        table.appendChild(body);
        out.appendChild(make('div', {'class': 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Confusion matrix'}, [table]));
      }
      var worst = counts.filter(function (c) { return c[0] !== c[1]; }).map(function (c) {
        return {truth: data.classes[c[0]], answer: data.classes[c[1]], count: c[2], share: c[2] / total[c[0]]};
      }).sort(function (a, b) { return b.share - a.share; }).slice(0, 10);
      if (worst.length)
        out.appendChild(make('ol', {'class': 'worst'}, worst.map(function (w) {
          return make('li', {}, [w.truth + ' taken for ' + w.answer + ': ' + percent(w.share, 0) + ' (' + w.count + ')']);
        })));
    }
    var bar = make('div', {'class': 'controls'}, [
      choice('confusion-fraction', 'Confusions with', fractions(confused), function (v) { view.key = v; draw(); }),
      choice('confusion-arm', 'of the arm', ARMS, function (v) { view.arm = v; draw(); })]);
    place.appendChild(bar);
    bar.querySelector('#confusion-fraction').value = view.key;
    bar.querySelector('#confusion-arm').value = view.arm;
    place.appendChild(out);
    place.appendChild(note);
    place.hidden = false;
    draw();
  }

  // ---------------------------------------------------------------- images

  function gallery(place) {
    var g = data.gallery, view = {key: place.dataset.fraction, filter: 'sample', label: ''};
    var FILTERS = {
      sample: ['chosen without looking at the answers', function (image) { return image.sample; }],
      disagree: ['where the arms disagree', function (image, a) { return a.scratch[0] !== a.pretrained[0]; }],
      wrong: ['wrong only: by either arm', function (image, a) { return a.scratch[0] !== image.label || a.pretrained[0] !== image.label; }],
      scratch: ['wrong from scratch', function (image, a) { return a.scratch[0] !== image.label; }],
      pretrained: ['wrong pre-trained', function (image, a) { return a.pretrained[0] !== image.label; }]
    };
    var out = make('div', {'class': 'gallery'}), note = make('p', {'class': 'note', 'aria-live': 'polite'});
    function draw() {
      var answers = g.answers[view.key], of = g.counts[view.key], shown = 0;
      out.textContent = '';
      g.images.forEach(function (image, i) {
        var a = {scratch: answers.scratch[i], pretrained: answers.pretrained[i]};
        if (!FILTERS[view.filter][1](image, a) || (view.label !== '' && image.label !== +view.label)) return;
        ++shown;
        var tile = make('div', {'class': 'tile'}, [make('img', {src: 'data:image/png;base64,' + image.png, alt: 'test image ' + image.number}),
                                                   make('b', {}, [data.classes[image.label]])]);
        ARMS.forEach(function (arm) {
          var answer = a[arm[0]], right = answer[0] === image.label;
          tile.appendChild(make('span', {'class': right ? 'right' : 'wrong'}, [
            make('i', {'class': 'dot', style: 'background:var(--' + arm[0] + ')', title: arm[1]}),
            (right ? '\u2713 ' : '\u2717 ') + data.classes[answer[0]] + ' ' + percent(answer[1], 0)]));
        });
        out.appendChild(tile);
      });
      note.textContent = grouped(shown) + (shown === 1 ? ' image' : ' images') + ' shown. Of all ' + grouped(data.images.test) + ' test images, with ' + view.key +
          ' % of the labels and the first seed, ' + grouped(of.scratch) + ' are wrong from scratch and ' + grouped(of.pretrained) +
          ' pre-trained; the arms disagree on ' + grouped(of.disagree) + '.' +
          (of.disagree > g.most || of.wrong > g.most ? ' The page holds a part of them.' : '');
    }
    var bar = make('div', {'class': 'controls'}, [
      choice('gallery-fraction', 'Test images with', fractions().filter(function (f) { return g.answers[f[0]]; }),
             function (v) { view.key = v; draw(); }),
      choice('gallery-filter', 'show', Object.keys(FILTERS).map(function (k) { return [k, FILTERS[k][0]]; }),
             function (v) { view.filter = v; draw(); }),
      choice('gallery-class', 'of', [['', 'every class']].concat(data.classes.map(function (c, i) { return [i, c]; })),
             function (v) { view.label = v; draw(); })]);
    place.appendChild(bar);
    if (!g.answers[view.key]) view.key = Object.keys(g.answers)[0];
    bar.querySelector('#gallery-fraction').value = view.key;
    place.appendChild(out);
    place.appendChild(note);
    place.hidden = false;
    draw();
  }

  // ---------------------------------------------------------------- while the run goes on

  // A page that is written again is loaded again, without a server, and the reader stays where they are and keeps what
  // they chose. No page claims for ever that a run lives: one that is not written any more says so.
  var status = document.getElementById('run-status'), going = status && 'going' in status.dataset;
  var KEEP = 'contexture ' + location.pathname, FRESH = 60000;
  function recall() {
    try {
      var was = JSON.parse(sessionStorage.getItem(KEEP)) || {};
      sessionStorage.removeItem(KEEP);
      return Date.now() - was.at < FRESH ? was : {};
    } catch (error) {
      return {};
    }
  }
  function headings() { return Array.prototype.slice.call(document.querySelectorAll('h2,h3')); }
  function remember(more) {
    var above = headings().filter(function (h) { return h.getBoundingClientRect().top <= 1; }).pop();
    var plot = (document.getElementById('explore-curves') || {}).view, x = plot && plot.plot && plot.plot.scales.x, all = x && plot.plot.data[0];
    var now = Object.assign({at: Date.now(), y: scrollY, controls: kept.controls, sorted: kept.sorted,
      heading: above && [above.textContent, above.getBoundingClientRect().top],
      zoom: x && (x.min > all[0] || x.max < all[all.length - 1]) ? [x.min, x.max] : null,
      open: Array.prototype.map.call(document.querySelectorAll('details'), function (d) { return d.open; }),
      focus: document.activeElement && document.activeElement.id}, more);
    try { sessionStorage.setItem(KEEP, JSON.stringify(now)); } catch (error) { /* then the page begins at its top */ }
  }
  function restore(was) {
    Object.keys(was.controls).forEach(function (id) {
      var control = document.getElementById(id), value = was.controls[id];
      if (!control) { kept.controls[id] = value; return; }
      if (control.type === 'checkbox') control.checked = value;
      else if (!Array.prototype.some.call(control.options, function (o) { return o.value === value; })) return;
      else control.value = value;
      control.dispatchEvent(new Event('change'));
    });
    Array.prototype.forEach.call(document.querySelectorAll('.table table'), function (table) {
      var heads = table.tHead.rows[0].cells, how = was.sorted[Array.prototype.map.call(heads, function (h) { return h.textContent; }).join('|')];
      for (var i = how ? ['none', 'descending', 'ascending'].indexOf(how[1]) : 0; i > 0; --i) heads[how[0]].querySelector('button').click();
    });
    Array.prototype.forEach.call(document.querySelectorAll('details'), function (d, i) { if (was.open[i] != null) d.open = was.open[i]; });
    var view = (document.getElementById('explore-curves') || {}).view;
    if (was.zoom && view && view.plot) view.plot.setScale('x', {min: was.zoom[0], max: was.zoom[1]});
    var focused = was.focus && document.getElementById(was.focus);
    if (focused) focused.focus({preventScroll: true});
    var same = was.heading && headings().filter(function (h) { return h.textContent === was.heading[0]; })[0];
    scrollTo(0, same ? scrollY + same.getBoundingClientRect().top - was.heading[1] : was.y);
  }
  function keepCurrent(was) {
    var written = +status.dataset.written, every = 1000 * status.dataset.every, limit = Math.max(FRESH, 6 * every);
    // When this page was first seen, by the clock of who reads it, which need not be that of who writes it.
    var first = was.written === written ? was.first : Date.now();
    var known = was.known || (was.written !== undefined && was.written !== written);
    var gone = Date.now() - first > limit || (!known && Date.now() - 1000 * written > limit);
    var touched = 0, follow = true, due = Date.now() + (gone ? FRESH : every);
    if (gone) {
      status.classList.add('gone');
      status.querySelector('strong').textContent = 'The run has ended without finishing, or its machine sleeps: this page was last written at ' +
          new Date(1000 * written).toLocaleString() + '.';
    }
    ['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchmove'].forEach(function (kind) {
      addEventListener(kind, function () { touched = Date.now(); }, {passive: true});
    });
    function busy() {  // reading on, choosing, copying
      var chooses = document.activeElement && document.activeElement.tagName === 'SELECT';
      return document.hidden || Date.now() - touched < (chooses ? 10000 : 1500) || !getSelection().isCollapsed;
    }
    status.appendChild(make('div', {'class': 'controls'}, [
      tick('follow-run', 'keep this page current', true, function (on) { follow = on; })]));
    setInterval(function () {
      if (!follow || Date.now() < due || busy()) return;
      due = Infinity;
      location.reload();
    }, 250);
    addEventListener('pagehide', function () { remember({written: written, first: first, known: known}); });
  }

  // A part that fails leaves the static figure in its place.
  function replace(id, build, figures, possible) {
    var place = document.getElementById(id);
    if (!place || !possible) return;
    try {
      build(place);
      figures.forEach(function (name) {
        var figure = document.getElementById('figure-' + name);
        if (figure) figure.classList.add('replaced');
      });
    } catch (error) {
      place.hidden = true;
      console.error(error);
    }
  }
  Array.prototype.forEach.call(document.querySelectorAll('.table table'), sortable);
  var arms = data.experiments.length > 0;
  replace('explore-curves', curves, ['accuracy_curves', 'loss_curves', 'pretrain_curves'], arms || (data.pretraining || []).length);
  replace('explore-confusion', confusion, ['confusion'], data.experiments.some(confused));
  replace('explore-gallery', gallery, ['predictions'], data.gallery && data.gallery.images.length);
  var was = recall();
  if (going) {
    history.scrollRestoration = 'manual';
    keepCurrent(was);
  }
  if (was.at) restore(was);
})();
