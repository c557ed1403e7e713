// Visits Swagger UI in a real browser, runs steps there, and prints the result as JSON:
//
//   node swagger-ui.js SCREENSHOT PAGE STEPS
//
// PAGE is http://127.0.0.1:PORT/swagger, or …/PREFIX/swagger/index.html for a gateway behind a proxy that removes
// PREFIX.
// STEPS is a JSON array, run in order: {"authorize": KEY}, or {"operation": ID, "example": SUMMARY, "accept": MEDIA
// TYPE}, which tries the operation with that example (by default the first), and asks for that format.
// The output contains the operations that the page lists, the result of each trial, and faults: errors of the page, and
// requests to other hosts. If a step fails, SCREENSHOT gets a picture of the page.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const PATIENCE = 20_000;

/** playwright-core contains no browser: it uses the machine's, and nothing is downloaded. */
function installedChromium() {
  const places = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'chromium'));
  for (const place of places) {
    try {
      accessSync(place, constants.X_OK);
      return place;
    } catch {
      // Not in this folder; perhaps in the next one.
    }
  }
  throw new Error('Chromium is not on PATH: .ci/install installs it, or `apt-get install chromium`.');
}

/** Keeps the page on the gateway, and records its faults. */
async function watch(page, { origin, prefix }) {
  const seen = { errors: [], elsewhere: [] };
  const own = (url) => url.startsWith(`${origin}${prefix}/`) || url.startsWith('data:');
  // The target of a redirect is not routed, but it is a request.
  page.context().on('request', (request) => own(request.url()) || seen.elsewhere.push(request.url()));
  await page.context().route('**', async (route) => {
    const url = route.request().url();
    if (!own(url)) return route.abort();
    if (!prefix || url.startsWith('data:')) return route.continue();
    return route.fulfill({ response: await route.fetch({ url: url.replace(origin + prefix, origin) }) });
  });
  page.on('pageerror', (error) => seen.errors.push(String(error)));
  page.on('console', (message) => {
    // The browser reports a problem answer as an error; the trial shows it.
    const ofTrial = message.location().url.startsWith(`${origin}${prefix}/v1/`);
    if (['error', 'warning'].includes(message.type()) && !ofTrial) seen.errors.push(message.text());
  });
  return seen;
}

async function listOperations(page) {
  await page.locator('.opblock').first().waitFor();
  return page.locator('.opblock').evaluateAll((blocks) =>
    blocks.map((block) => {
      const text = (part) => block.querySelector(`.opblock-summary-${part}`).textContent.trim();
      const { path } = block.querySelector('.opblock-summary-path').dataset;
      return { method: text('method'), path, operation: text('operation-id') };
    }));
}

async function authorize(page, key) {
  await page.locator('.auth-wrapper .authorize').click();
  const dialog = page.locator('.dialog-ux');
  await dialog.locator('input').fill(key);
  await dialog.locator('button.authorize').click();
  await dialog.locator('button.btn-done').click();
}

async function tryOut(page, { operation, example, accept }) {
  const id = page.locator('.opblock-summary-operation-id', { hasText: new RegExp(`^${operation}$`) });
  const block = page.locator('.opblock', { has: id });
  if (!(await block.getAttribute('class')).includes('is-open')) await block.locator('.opblock-summary').click();
  const body = block.locator('textarea.body-param__text');
  await body.waitFor();
  if (example) await block.locator('.opblock-section-request-body .examples-select-element').selectOption({ label: example });
  if (accept) await block.locator('tr[data-code="200"] .response-control-media-type select').selectOption(accept);

  // An earlier trial may have shown the same.
  const clear = block.locator('button.btn-clear');
  if (await clear.isVisible()) await clear.click();
  const shown = block.locator('.live-responses-table');
  await shown.waitFor({ state: 'detached' });
  await block.locator('button.execute').click();
  await shown.waitFor();
  const texts = async (part) => (await shown.locator(part).allTextContents()).map((text) => text.trim());
  return {
    request: await body.inputValue(),
    status: Number((await texts('tbody .response-col_status'))[0]),
    text: (await texts('.highlight-code code'))[0] ?? '',
    headers: Object.fromEntries((await texts('.headerline')).map((line) => line.split(/: (.*)/s, 2))),
  };
}

const [screenshot, address, steps] = process.argv.slice(2);
const { origin, pathname } = new URL(address);
const browser = await chromium.launch({
  executablePath: installedChromium(),
  // Chromium's sandbox refuses root. Without it only the gateway's own pages are opened.
  chromiumSandbox: process.getuid() !== 0,
  // The browser's own requests, outside of the page, find no host.
  args: ['--no-proxy-server', '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
});
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1600 }, serviceWorkers: 'block' });
  page.setDefaultTimeout(PATIENCE);
  const seen = await watch(page, { origin, prefix: pathname.replace(/\/swagger.*/, '') });
  try {
    await page.goto(address);
    const operations = await listOperations(page);
    const trials = [];
    for (const step of JSON.parse(steps)) {
      if (step.authorize) await authorize(page, step.authorize);
      else trials.push(await tryOut(page, step));
    }
    console.log(JSON.stringify({ operations, trials, ...seen }));
  } catch (error) {
    await page.screenshot({ path: screenshot, fullPage: true }).catch((reason) => console.error(String(reason)));
    throw error;
  }
} finally {
  await browser.close();
}
