// SPDX-License-Identifier: MIT
// A headless Chromium, spoken to over a pipe by its own protocol: nothing but node's built-in modules.
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

export class Browser {
  constructor(program) {
    this.folder = mkdtempSync(join(tmpdir(), 'contexture-page-'));
    this.process = spawn(program, ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--remote-debugging-pipe',
                                   '--force-color-profile=srgb', `--user-data-dir=${this.folder}`, 'about:blank'],
                         {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
    this.waiting = new Map();
    this.listeners = [];
    this.number = 0;
    let rest = '';
    this.process.stdio[4].on('data', (bytes) => {
      const parts = (rest + bytes.toString()).split('\0');
      rest = parts.pop();
      for (const part of parts) this.take(JSON.parse(part));
    });
    this.ended = new Promise((done) => this.process.on('exit', done));
    this.process.on('exit', () => {
      for (const {fail} of this.waiting.values()) fail(new Error('the browser ended'));
    });
  }
  take(message) {
    const asked = this.waiting.get(message.id);
    if (asked) {
      this.waiting.delete(message.id);
      message.error ? asked.fail(new Error(message.error.message)) : asked.done(message.result);
    } else {
      for (const listener of this.listeners) listener(message);
    }
  }
  send(method, params = {}, sessionId = undefined) {
    const id = ++this.number;
    this.process.stdio[3].write(JSON.stringify({id, method, params, sessionId}) + '\0');
    return new Promise((done, fail) => {
      const late = setTimeout(() => fail(new Error(`${method}: no answer in a minute`)), 60000);
      this.waiting.set(id, {done: (r) => { clearTimeout(late); done(r); }, fail: (e) => { clearTimeout(late); fail(e); }});
    });
  }
  async page() {
    const {targetId} = await this.send('Target.createTarget', {url: 'about:blank'});
    const {sessionId} = await this.send('Target.attachToTarget', {targetId, flatten: true});
    const page = new Page(this, sessionId);
    await page.send('Page.enable');
    await page.send('Runtime.enable');
    await page.send('Log.enable');
    await page.send('Network.enable');
    return page;
  }
  async close() {
    await this.send('Browser.close').catch(() => {});
    await this.ended;
    rmSync(this.folder, {recursive: true, force: true, maxRetries: 5, retryDelay: 100});
  }
}

class Page {
  constructor(browser, session) {
    this.browser = browser;
    this.session = session;
    this.complaints = [];  // of the console, uncaught errors, and requests that leave the file
    this.loaded = () => {};
    browser.listeners.push(({method, params, sessionId}) => {
      if (sessionId !== session) return;
      if (method === 'Page.loadEventFired') this.loaded();
      if (method === 'Runtime.exceptionThrown') this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      if (method === 'Runtime.consoleAPICalled') this.complaints.push(params.args.map((a) => a.value ?? a.description).join(' '));
      if (method === 'Log.entryAdded') this.complaints.push(params.entry.text);
      if (method === 'Network.requestWillBeSent' && !/^(file|data|about|blob):/.test(params.request.url)) this.complaints.push(`asks for ${params.request.url}`);
    });
  }
  send(method, params) { return this.browser.send(method, params, this.session); }
  async open(url, {width = 1280, dark = false, scripts = true, print = false} = {}) {
    await this.send('Emulation.setScriptExecutionDisabled', {value: !scripts});
    await this.send('Emulation.setDeviceMetricsOverride', {width, height: 900, deviceScaleFactor: 1, mobile: width < 600});
    await this.send('Emulation.setEmulatedMedia', {media: print ? 'print' : '', features: [{name: 'prefers-color-scheme', value: dark ? 'dark' : 'light'}]});
    const loaded = new Promise((done) => { this.loaded = done; });
    await this.send('Page.navigate', {url});
    await loaded;
  }
  /// The value of a JavaScript expression in the page.
  async value(expression) {
    const {result, exceptionDetails} = await this.send('Runtime.evaluate', {expression, returnByValue: true, awaitPromise: true});
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
    return result.value;
  }
  async key(name) {
    for (const type of ['keyDown', 'keyUp'])
      await this.send('Input.dispatchKeyEvent', {type, key: name, code: name, ...(name.length === 1 ? {text: name} : {})});
  }
  async mouse(type, x, y, button = 'none') {
    await this.send('Input.dispatchMouseEvent', {type, x, y, button, buttons: button === 'left' && type !== 'mouseReleased' ? 1 : 0, clickCount: button === 'left' ? 1 : 0});
  }
  async picture() {
    const {cssContentSize: size} = await this.send('Page.getLayoutMetrics');
    const {data} = await this.send('Page.captureScreenshot',
                                   {captureBeyondViewport: true, clip: {x: 0, y: 0, width: size.width, height: Math.min(size.height, 16000), scale: 1}});
    return Buffer.from(data, 'base64');
  }
}
