"""Build the documentation site into _docs/, with no other program than Python, and check it.

    python .ci/docs.py            build and check
    python .ci/docs.py --serve    then show it on http://127.0.0.1:3000
    python .ci/docs.py --look DIR then open each page in Chromium, wide and as on a phone, and leave pictures of them in DIR
    python .ci/docs.py --prepare  only write _proc/, from which Quarto makes the same site: quarto render _proc

Exit status 1 if anything is wrong, with a line for each thing. It takes the environment that ./test.sh makes.
"""
import argparse,json,os,re,shutil,subprocess,sys,warnings
from functools import cached_property,partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler,ThreadingHTTPServer
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import unquote,urlsplit

import yaml
from execnb.nbio import read_nb,write_nb
from nbdev.config import get_config
from nbdev.processors import FilterDefaults
from nbdev.quarto import refresh_quarto_yml
from smalldocs.site import build

ROOT = Path(__file__).resolve().parents[1]
NBS, PROC, DOCS = ROOT/'nbs', ROOT/'_proc', ROOT/'_docs'
BADGE = 'https://colab.research.google.com/assets/colab-badge.svg'
MOST = 100_000   # bytes that one output, or one picture, may have
WORDS = 60       # of prose, the least that a page must have

def notebooks(): return sorted(p for p in NBS.glob('*.ipynb') if p.name[0] not in '._')
def quarto_name(p): return re.sub(r'^\d+[a-z]*_', '', p.stem)+'.html'   # the address that nbdev gives a page where Quarto builds it
def rel(p): return Path(p).relative_to(ROOT)
def source(cell): return ''.join(cell['source'])

# --- building -----------------------------------------------------------------------------------------------------------------
def unnest(text):
    "nbdev makes links of the names of symbols, even where they are in a link already, or in code"
    text = re.sub(r'\[\[(`[^`]+`)\]\([^)]*\)\]', r'[\1]', text)
    return re.sub(r'^```.*?^```', lambda m: re.sub(r'\[`([^`]+)`\]\([^)]*\)', r'`\1`', m[0]), text, flags=re.S|re.M)

def process(p):
    "Write a notebook to `_proc` with its API documented, as nbdev does it; what was wrong"
    cfg, own, nb = get_config(), {quarto_name(o): o.name for o in notebooks()}, read_nb(p)
    for c in nb.cells: # the source of the library is part of the story, folded
        if c.cell_type=='code': c.source = re.sub(r'^#\|\s*export[ \t]*$', '#| exports', c.source, flags=re.M)
    os.environ['IN_TEST'] = '1'
    os.chdir(NBS)   # exports and imports are run to document them, and expect to be at home
    with warnings.catch_warnings(record=True) as told:
        try: FilterDefaults()(nb)
        except Exception as e: return [f'{rel(p)}: {e}']
    site = re.compile(re.escape(cfg.doc_host+cfg.doc_baseurl)+r'/(\w+\.html)')
    for c in nb.cells:   # pages link to each other wherever the site stands, and load nothing from elsewhere
        c.source = unnest(site.sub(lambda m: own.get(m[1], m[0]), c.source or '')).replace(BADGE, 'images/colab.svg').replace(
            '#| code-fold: show\n#| code-summary: "Exported source"', '#| code-fold: true\n#| code-summary: "Source"')
        for o in c.get('outputs', []):
            if 'text/markdown' in o.get('data', {}): o['data']['text/markdown'] = unnest(site.sub(lambda m: own.get(m[1], m[0]), ''.join(o['data']['text/markdown'])))
    write_nb(nb, PROC/p.name)
    return [f'{rel(p)}: {str(o.message).strip()}' for o in told if 'imports and other code' in str(o.message)]

def prepare():
    "Write `_proc`: the notebooks, each processed by an interpreter of its own, and what pages need besides; what was wrong"
    shutil.rmtree(PROC, ignore_errors=True)
    shutil.copytree(NBS, PROC, ignore=shutil.ignore_patterns('*.ipynb', '.*', '_docs', '__pycache__'))
    with get_context('spawn').Pool(2, maxtasksperchild=1) as pool: return sum(pool.map(process, notebooks(), chunksize=1), [])

def render_readme(cfg):
    "The index in Markdown, for README.md"
    parts = []
    for c in read_nb(NBS/'index.ipynb').cells:
        text = source(c)
        if c['cell_type']=='markdown': parts.append(text if parts else text.partition('\n- ')[0]) # options of the page are in the title cell
        elif not text.startswith('#| hide'):
            if not text.startswith('#| echo: false'): parts.append(f'```python\n{text}\n```')
            for o in c['outputs']:
                data = o.get('data', {})
                parts.append(''.join(data['text/markdown']) if 'text/markdown' in data else f'```\n{"".join(data["text/plain"]).strip()}\n```')
    text = re.sub(r'\]\((\w+\.ipynb)(?=[)#])', lambda m: f']({cfg.doc_host}{cfg.doc_baseurl}/{quarto_name(NBS/m[1])}', '\n\n'.join(parts))
    return text.replace('](images/', '](nbs/images/')+'\n'

def build_site():
    "Build `_docs` from `_proc`; what smalldocs complains of"
    if DOCS.exists(): shutil.rmtree(DOCS)
    res = build(PROC, quiet=True)
    shutil.move(res.out, DOCS)
    return [f'_quarto.yml: {o}' for o in res.warnings if 'broken link' not in o and 'output-file' not in o] # links are checked below; nbdev gives the names to Quarto

# --- checking the sources -----------------------------------------------------------------------------------------------------
def hrefs(o):
    "Every `href` in a part of `_quarto.yml`"
    if isinstance(o, dict): return ([o['href']] if 'href' in o else [])+[h for v in o.values() for h in hrefs(v)]
    return [h for v in o for h in hrefs(v)] if isinstance(o, list) else []

def check_sidebar():
    listed = hrefs(yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))['website']['sidebar'])
    for p in notebooks():
        if (n:=listed.count(p.name))!=1: yield f'_quarto.yml: {p.name} is in the sidebar {n} times, not once'

def check_notebooks(cfg):
    "Words of their own, outputs that are not too large, a badge and a cell for Colab"
    repo = f'{cfg.user}/{cfg.repo}'
    for p in notebooks():
        cells = read_nb(p).cells
        prose = ' '.join(source(c) for c in cells[1:] if c['cell_type']=='markdown' and BADGE not in source(c))
        if (n:=len(re.findall(r'\w+', re.sub(r'```.*?```', '', prose, flags=re.S))))<WORDS: yield f'{rel(p)}: has {n} words of its own, {WORDS} at least are needed'
        for i,c in enumerate(cells):
            for o in c.get('outputs', []):
                if (size:=len(json.dumps(o)))>MOST: yield f'{rel(p)}: cell {i} has an output of {size:,} bytes, {MOST:,} at most are allowed'
        badge = f'[![Open in Colab]({BADGE})](https://colab.research.google.com/github/{repo}/blob/{cfg.branch}/nbs/{p.name})'
        if badge not in source(cells[1]): yield f'{rel(p)}: the cell under the title must be {badge}'
        if not any(source(c).startswith('#| hide\n#| eval: false\n! [ -e /content ] && pip install') and f'git+https://github.com/{repo}.git' in source(c)
                   for c in cells): yield f'{rel(p)}: has no guarded cell that installs git+https://github.com/{repo}.git in Colab'

def check_names(cfg):
    "The owner and the name of the repository stand in settings.ini; wherever else they are written, they must be the same"
    files = subprocess.run(['git','ls-files','-z','--cached','--others','--exclude-standard'], cwd=ROOT, capture_output=True, text=True).stdout.split('\0')
    for name in filter(None, files):
        if not (ROOT/name).is_file() or (ROOT/name).suffix in ('.onnx','.png','.lock'): continue
        text = (ROOT/name).read_text(encoding='utf-8', errors='replace')
        found = {m[0] for m in re.finditer(rf'github\.com/(?:github/)?[\w-]+/{cfg.repo}\b|[\w-]+\.github\.io/{cfg.repo}\b|colab\.research\.google\.com/github/[\w-]+/[\w-]+', text)}
        for o in sorted(found):
            if not o.endswith((f'github.com/{cfg.user}/{cfg.repo}', f'{cfg.user}.github.io/{cfg.repo}', f'/github/{cfg.user}/{cfg.repo}')):
                yield f'{name}: {o}: settings.ini says {cfg.user}/{cfg.repo}'

def check_yml():
    "nbdev.yml as settings.ini wants it"
    before = (NBS/'nbdev.yml').read_text() if (NBS/'nbdev.yml').exists() else ''
    from contextlib import redirect_stdout
    with redirect_stdout(None): refresh_quarto_yml()
    if (NBS/'nbdev.yml').read_text()!=before: yield 'nbs/nbdev.yml: was not as settings.ini has it; it has been written anew'

# --- checking what was built --------------------------------------------------------------------------------------------------
class Page(HTMLParser):
    "What a built page refers to, and what can be referred to in it"
    def __init__(self, path):
        super().__init__()
        self.path, self.ids, self.links, self.loads = path, set(), [], []
        self.feed(path.read_text(encoding='utf-8'))
    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs[k] for k in ('id','name') if attrs.get(k)}
        if tag=='a' and attrs.get('href'): self.links.append(attrs['href'])
        elif tag=='link' and attrs.get('href') and attrs.get('rel') not in ('canonical','next','prev'): self.loads.append(attrs['href'])
        elif attrs.get('src'): self.loads.append(attrs['src'])

class Site:
    "The built site"
    def __init__(self, cfg): self.cfg, self.base = cfg, cfg.doc_host+cfg.doc_baseurl+'/'
    @cached_property
    def pages(self): return {p.relative_to(DOCS).as_posix(): Page(p) for p in DOCS.rglob('*.html')}

    def target(self, page, href):
        "What is wrong with a link or a picture of a page; None if nothing is"
        url = urlsplit(href)
        if url.scheme in ('data','mailto') or (url.scheme and not href.startswith((self.base, self.cfg.git_url))): return
        if href.startswith(self.cfg.git_url): return self.in_repo(url)
        if url.scheme or url.netloc: return 'a link to the published site; write the name of the notebook'
        path = (page.path.parent/unquote(url.path)).resolve() if url.path else page.path
        if path.is_dir(): path /= 'index.html'
        if not path.is_file() or DOCS not in path.parents: return 'there is no such file'
        if url.fragment and path.suffix=='.html' and unquote(url.fragment) not in self.pages[path.relative_to(DOCS).as_posix()].ids: return 'there is no such place on that page'

    def in_repo(self, url):
        m = re.match(rf'/{self.cfg.user}/{self.cfg.repo}/(?:blob|tree|edit|raw)/([^/]+)/(.+)', url.path)
        if m and m[1]!=self.cfg.branch: return f'the branch is {self.cfg.branch}'
        if m and not (ROOT/unquote(m[2])).exists(): return 'there is no such file in the repository'

    def check(self):
        for p in notebooks():
            if f'{p.stem}.html' not in self.pages: yield f'{rel(p)}: has no page'
        for name,page in self.pages.items():
            for o in dict.fromkeys(page.links+page.loads):
                if problem:=self.target(page, o): yield f'_docs/{name}: {o[:150]}: {problem}'
            for o in page.loads:
                if urlsplit(o).netloc: yield f'_docs/{name}: loads {o[:150]} from another host'
        for p in DOCS.rglob('*'):
            if p.suffix in ('.png','.svg','.jpg','.gif') and p.stat().st_size>MOST: yield f'_docs/{p.relative_to(DOCS)}: has {p.stat().st_size:,} bytes, {MOST:,} at most are allowed'

def check_readme(cfg):
    "README.md is the index as it was saved, with links that lead to the published site"
    text, base = render_readme(cfg), cfg.doc_host+cfg.doc_baseurl
    if text!=(ROOT/'README.md').read_text(encoding='utf-8'):
        (ROOT/'README.md').write_text(text, encoding='utf-8')
        yield 'README.md: was not what nbs/index.ipynb makes of it; it has been written anew'
    pages = {f'{base}/{quarto_name(p)}' for p in notebooks()}
    for href in re.findall(r'\]\(([^)\s]+)\)', text):
        if href.startswith(base) and href.partition('#')[0] not in pages: yield f'README.md: {href}: there is no such page'
        elif '://' not in href and not (ROOT/href).exists(): yield f'README.md: {href}: there is no such file'

def look(folder):
    "Pictures of all pages, light and dark, wide and narrow; what the browser complains of, and what does not fit into a narrow page"
    from selenium.webdriver import Chrome,ChromeOptions
    from selenium.webdriver.chrome.service import Service
    opts, folder = ChromeOptions(), Path(folder)
    opts.binary_location = shutil.which('chromium')
    for o in 'headless','no-sandbox','disable-gpu','disable-dev-shm-usage','hide-scrollbars','disable-background-networking','disable-component-update','no-first-run': opts.add_argument(f'--{o}')
    opts.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    folder.mkdir(parents=True, exist_ok=True)
    with Chrome(options=opts, service=Service(shutil.which('chromedriver'))) as b:
        for page in sorted(DOCS.glob('*.html')):
            for name,width,scheme in ('wide',1280,'light'), ('dark',1280,'dark'), ('phone',390,'light'):
                b.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(width=width, height=900, deviceScaleFactor=1, mobile=width<500))
                b.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(features=[dict(name='prefers-color-scheme', value=scheme)]))
                b.get(page.as_uri())
                height = b.execute_script('return document.documentElement.scrollHeight')
                if (found:=b.execute_script('return document.documentElement.scrollWidth'))>width: yield f'_docs/{page.name}: is {found} pixels wide on a screen of {width}'
                b.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(width=width, height=min(height, 12_000), deviceScaleFactor=1, mobile=width<500))
                b.save_screenshot(str(folder/f'{page.stem}_{name}.png'))
                for o in b.get_log('browser'): yield f'_docs/{page.name}: {o["message"][:200]}'

def check_all(cfg, complaints):
    return [*complaints, *check_sidebar(), *check_notebooks(cfg), *check_names(cfg), *Site(cfg).check(), *check_readme(cfg)]

def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument('--prepare', action='store_true', help='only write _proc/, for Quarto')
    args.add_argument('--look', metavar='DIR', help='open each page in Chromium, and leave pictures in this folder')
    args.add_argument('--serve', action='store_true', help='show the site when it is built')
    args = args.parse_args()
    os.chdir(ROOT)
    cfg = get_config()
    problems = [*check_yml(), *prepare()]
    if not args.prepare: problems = check_all(cfg, problems+build_site())
    if args.look: problems += look(args.look)
    print(*problems, f'{len(notebooks())} pages, {len(problems)} problems', sep='\n')
    if args.serve:
        print('http://127.0.0.1:3000')
        ThreadingHTTPServer(('127.0.0.1', 3000), partial(SimpleHTTPRequestHandler, directory=DOCS)).serve_forever()
    return bool(problems)

if __name__=='__main__': sys.exit(main())
