"Look at the built site as a reader does, in Chromium: every page wide, dark and on a phone, and the tagger with the keyboard alone"
import json,shutil,time
from base64 import b64decode
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler,ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains,Chrome,ChromeOptions,Keys
from selenium.webdriver.chrome.service import Service

TALL = 8000   # pixels of a picture: Chromium draws no more than 16,384
SCREENS = ('phone',390,'light'), ('wide',1280,'light'), ('dark',1280,'dark')
FLAGS = '''headless no-sandbox disable-gpu disable-dev-shm-usage hide-scrollbars disable-background-networking disable-component-update disable-sync
    no-first-run'''.split()

class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

@contextmanager
def serving(folder):
    "The address at which `folder` is served"
    server = ThreadingHTTPServer(('127.0.0.1',0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    try: yield f'http://127.0.0.1:{server.server_port}/'
    finally: server.shutdown(); server.server_close()

def find_browser():
    "Chromium, or Chrome, and its driver; `None` if one is missing"
    found = shutil.which('chromium') or shutil.which('google-chrome'), shutil.which('chromedriver')
    return all(found) and found

def chromium():
    opts, (browser, driver) = ChromeOptions(), find_browser()
    opts.binary_location = browser
    for o in FLAGS: opts.add_argument(f'--{o}')
    opts.set_capability('goog:loggingPrefs', dict(browser='ALL', performance='ALL'))
    return Chrome(options=opts, service=Service(driver))

def complaints(b, base):
    "What the console says, and requests that went to another host, since this was asked last"
    for o in b.get_log('browser'): yield o['message'][:200]
    for o in b.get_log('performance'):
        m = json.loads(o['message'])['message']
        if m['method']!='Network.requestWillBeSent': continue
        url = m['params']['request']['url']
        if not url.startswith((base, 'data:', 'blob:', 'chrome')): yield f'asks another host for {url[:150]}'

def screen(b, width, scheme, height=900):
    b.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(width=width, height=height, deviceScaleFactor=1, mobile=width<500))
    b.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(features=[dict(name='prefers-color-scheme', value=scheme)]))

WIDE = '''const w = document.documentElement.clientWidth, inside = el => { for (let p = el.parentElement; p && p!==document.body; p = p.parentElement) if (getComputedStyle(p).overflowX!='visible') return true }
return [...document.querySelectorAll('main *')].filter(o => o.getBoundingClientRect().right>w+1 && !inside(o)).slice(0, 3).map(o => o.tagName.toLowerCase()+(o.className ? '.'+o.className : ''))'''
CUT = '''return [...document.querySelectorAll('main img')].filter(o => o.getBoundingClientRect().right>document.documentElement.clientWidth+1).length'''

def take_pictures(b, width, path):
    "The whole page: `path`, and for what follows path-2, path-3, …"
    height = b.execute_script('return document.documentElement.scrollHeight')
    for i,y in enumerate(range(0, height, TALL)):
        clip = dict(x=0, y=y, width=width, height=min(TALL, height-y), scale=1)
        data = b.execute_cdp_cmd('Page.captureScreenshot', dict(clip=clip, captureBeyondViewport=True))['data']
        path.with_stem(path.stem+(f'-{i+1}' if i else '')).write_bytes(b64decode(data))

def look(b, base, page, folder):
    "What is wrong with a page, wide and narrow; pictures of each in `folder`"
    for name,width,scheme in SCREENS if folder else SCREENS[:1]:
        screen(b, width, scheme)
        b.get(base+page)
        if (found:=b.execute_script('return document.documentElement.scrollWidth'))>width: yield f'is {found} pixels wide on a screen of {width}: {b.execute_script(WIDE)}'
        if n:=b.execute_script(CUT): yield f'{n} pictures are cut off on a screen of {width}'
        if bad:=b.execute_script("return [...document.images].filter(o => o.complete && !o.naturalWidth).map(o => o.src)"): yield f'pictures that are not there: {bad}'
        if folder: take_pictures(b, width, folder/f'{Path(page).stem}_{name}.png')
    yield from complaints(b, base)

# --- the tagger ---------------------------------------------------------------------------------------------------------------
def tagger(b, js): return b.execute_script(f"const t = document.querySelector('scifi-tagger'); {js}")
def press(b, *keys): ActionChains(b).send_keys(*keys).perform()

def wait(b, word, seconds=60, of='status.textContent'):
    "Until `word` occurs in that of the tagger; how long that took"
    start = time.time()
    while word not in (said:=tagger(b, f'return t.{of}') or ''):
        if time.time()-start>seconds: raise TimeoutError(f'no {word!r} after {seconds} s, but {said!r}')
        time.sleep(.02)
    return time.time()-start

def tab_to(b, js, most=200):
    "Press Tab until `js` is true of the tagger `t`"
    for _ in range(most):
        if tagger(b, f'return !!({js})'): return
        press(b, Keys.TAB)
    raise TimeoutError(f'Tab does not lead to {js}')

def type_question(b, base, page):
    "Load the page anew, type a question and ask why, by keyboard; how long it took, and how much was loaded"
    b.get(base+page)
    before = b.execute_script("return performance.getEntriesByType('resource').filter(o => o.name.includes('/web/model/') || o.name.endsWith('.wasm')).length")
    assert not before, f'{before} files of the model were loaded before a key was pressed'
    tab_to(b, 't.shadowRoot.activeElement===t.box')
    ActionChains(b).key_down(Keys.CONTROL).send_keys('a').key_up(Keys.CONTROL).perform()
    press(b, 'W')
    first = wait(b, ' ms')
    press(b, 'ho trained Batman and Robin?')
    wait(b, 'Who trained Batman and Robin?', of='answered')
    time.sleep(1)   # screen readers are told when the typing has paused
    tags = tagger(b, "return [...t.list.querySelectorAll('.over .row > :first-child')].map(o => o.textContent)")
    assert tags and tags[0]=='batman', tags
    assert tagger(b, 'return t.live.textContent')==f'Tags: {", ".join(tags)}'
    times = tagger(b, 'return t.times').copy()
    tab_to(b, "t.shadowRoot.activeElement?.getAttribute('aria-label')==='Why batman?'")
    press(b, Keys.ENTER)
    start = time.time()
    while not (marks:=tagger(b, "return [...t.list.querySelectorAll('.why mark')].map(o => o.textContent)")):
        assert time.time()-start<30, 'no words for batman after 30 s'
        time.sleep(.05)
    assert any('Batman' in o for o in marks), marks
    assert tagger(b, "return t.shadowRoot.activeElement.getAttribute('aria-expanded')")=='true'
    return first, times, tags

def check_tagger(base, page, stop):
    "The tagger on a page of the site, in a browser that knows nothing yet; then once more when the server is gone"
    with chromium() as b:
        screen(b, 1280, 'light')
        first, times, tags = type_question(b, base, page)
        print(f'{page}: {tags} {first:.1f} s after the first key; then a median of {sorted(times)[len(times)//2]:.0f} ms for {len(times)} answers')
        print(f'{page}: loaded', ', '.join(f'{n/1e6:.1f} MB of {what}' for what,n in b.execute_async_script(SIZES).items()))
        yield from complaints(b, base)
        time.sleep(1)
        stop()
        _, _, again = type_question(b, base, page)
        if again!=tags: yield f'without a network: {again} instead of {tags}'

SIZES = '''const done = arguments[0]; (async () => {
const res = {}, add = (what, n) => res[what] = (res[what] ?? 0)+n
for (const o of await (await caches.open('scifi-tags')).keys()) {
  const n = (await (await caches.match(o)).arrayBuffer()).byteLength
  add(/\\.onnx/.test(o.url) ? 'model' : /\\.wasm/.test(o.url) ? 'runtime' : 'tokenizer, tags and settings', n)
}
done(res) })()'''

def browse(docs, pictures=None):
    "Everything that is wrong with the site in `docs`"
    folder = pictures and Path(pictures)
    if folder: folder.mkdir(parents=True, exist_ok=True)
    with serving(docs) as base, chromium() as b:
        for p in sorted(docs.glob('*.html')): yield from (f'_docs/{p.name}: {o}' for o in look(b, base, p.name, folder))
    for page in 'index.html','web.html':
        if not (docs/page).exists(): continue
        server = serving(docs)
        try: yield from (f'_docs/{page}: {o}' for o in check_tagger(server.__enter__(), page, lambda: server.__exit__(None, None, None)))
        except (AssertionError,TimeoutError,WebDriverException) as e: yield f"_docs/{page}: the tagger: {str(e).splitlines()[0]}"
