"""Build the documentation site into _docs/ as `nbdev_docs` does, with a stand-in for Quarto, and check it.

    python .ci/docs.py                 build, and check sources and site; with Chromium, as a reader sees it
    python .ci/docs.py --serve         then show it on http://127.0.0.1:3000
    python .ci/docs.py --look DIR      and keep pictures of all pages in DIR: wide, dark, and as on a phone
    python .ci/docs.py --built         build nothing: check the site that is in _docs/, by Quarto for example

Exit status 1 if anything is wrong, with a line for each thing. Run it in the environment that ./test.sh makes.
"""
import argparse,ast,json,os,re,shutil,subprocess,sys,warnings
from contextlib import redirect_stdout
from functools import cached_property,partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler,ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote,urlsplit

import yaml
from execnb.nbio import read_nb
from nbdev.config import get_config
from nbdev.process import NBProcessor
from nbdev.processors import _do_eval
from nbdev.quarto import refresh_quarto_yml
from nbdev.serve import proc_nbs
from smalldocs.site import build

from browse import browse,find_browser
from scifi_tags.docs import unlink_code

ROOT = Path(__file__).resolve().parents[1]
NBS, PROC, DOCS = ROOT/'nbs', ROOT/'_proc', ROOT/'_docs'
MOST = 100_000   # bytes of one output, or of one picture
WORDS = 60       # of prose on each page, at least

def notebooks(): return sorted(p for p in NBS.glob('*.ipynb') if p.name[0] not in '._')
def page_name(p): return re.sub(r'^\d+[a-z]*_', '', Path(p).stem)+'.html'   # as nbdev names a page
def rel(p): return Path(p).relative_to(ROOT)
def source(cell): return ''.join(cell['source'])
def said(data, kind): return ''.join(data.get(kind, ''))
def is_shown(cell): return cell['cell_type']=='code' and not re.search(r'^#\|\s*(hide|export|exporti|default_exp)\b', source(cell), re.M)

# --- building -----------------------------------------------------------------------------------------------------------------
def check_mixed():
    "nbdev runs cells with imports again; one that holds other code, too, would need all that went before it"
    for p in notebooks():
        for c in NBProcessor(p).nb.cells:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter('always')
                _do_eval(c)
            for o in told: yield f'{rel(p)}: imports and other code in one cell: {source(c)[:60]!r}'

def process():
    "What `nbdev_docs` does before it calls Quarto: the pages in _proc/, with the documentation of what they export"
    os.chdir(ROOT)
    for p in PROC.glob('*.ipynb'):
        if not (NBS/p.name).exists(): p.unlink()
    proc_nbs(n_workers=2)

def localize(html):
    "A page whose links to the published site stay on the local one"
    cfg = get_config()
    return re.sub(rf'\b(href|src)="{re.escape(cfg.doc_host+cfg.doc_baseurl)}/', r'\1="', html)

def local_copy(folder):
    "The site in _docs/, made local in `folder`"
    shutil.copytree(DOCS, folder:=Path(folder)/'_docs')
    for p in folder.glob('*.html'): p.write_text(localize(p.read_text(encoding='utf-8')), encoding='utf-8')
    return folder

def build_site():
    "Build _docs/ from _proc/, with the addresses that Quarto gives; what smalldocs complains of"
    shutil.rmtree(DOCS, ignore_errors=True)
    res = build(PROC, quiet=True)
    shutil.move(res.out, DOCS)
    names = {f'{p.stem}.html': page_name(p) for p in notebooks()}
    stems = '|'.join(map(re.escape, names))
    for p in [*DOCS.glob('*.html'), DOCS/'search.json', DOCS/'sitemap.xml']:
        text = re.sub(rf'(?<![\w.-])({stems})\b', lambda m: names[m[1]], p.read_text(encoding='utf-8'))
        p.write_text(localize(text), encoding='utf-8')
        p.rename(DOCS/names.get(p.name, p.name))
    return [f'_quarto.yml: {o}' for o in res.warnings if not re.search('broken link|output-file|open-graph.image|respect-user-color-scheme', o)]   # the last two are Quarto's alone

# --- README.md and CONTRIBUTING.md ---------------------------------------------------------------------------------------------------------------
DIVS = '''function Div(el)
  local html = el.attributes["when-format"]=="html" or el.attributes["unless-format"]=="gfm"
  if el.classes:includes("content-visible") and html then return {} end
  return el.content
end'''

def quarto_markdown(nb):
    "The cells of a processed notebook as Quarto writes them down for Pandoc"
    for c in nb.cells[1:]:
        if c.cell_type!='code': yield source(c); continue
        options, code = re.match(r'((?:#\|[^\n]*\n?)*)(.*)', source(c), re.S).groups()
        if 'echo: false' not in options and code.strip(): yield f'``` python\n{code.strip()}\n```'
        for o in c.outputs:
            data = o.get('data', {}) or {'text/plain': o.get('text', '')}
            yield said(data, 'text/markdown') or '\n'.join(f'    {line}' for line in said(data, 'text/plain').splitlines())

FILES = {'index':'README.md', 'contributing':'CONTRIBUTING.md'}   # pages that are also files of the repository

def render(page):
    "What `nbdev_readme` or `nbdev_contributing` makes of a page, by Pandoc alone"
    import pypandoc
    nb = read_nb(PROC/f'{page}.ipynb')
    title = yaml.safe_load(source(nb.cells[0]).strip().strip('-'))['title']
    (lua:=PROC/'.divs.lua').write_text(DIVS)
    text = pypandoc.convert_text('\n\n'.join(quarto_markdown(nb)), 'gfm', 'markdown', extra_args=[f'--lua-filter={lua}'])
    return f'# {title}\n\n\n{text.strip()}\n'.replace('\r\n', '\n')

def check_files(cfg):
    "README.md and CONTRIBUTING.md are what nbdev makes of their pages, and their links lead to the published site"
    base, pages = cfg.doc_host+cfg.doc_baseurl, [page_name(p) for p in notebooks()]
    for page,name in FILES.items():
        text = render(page)
        if not (ROOT/name).exists() or text!=(ROOT/name).read_text(encoding='utf-8'):
            (ROOT/name).write_text(text, encoding='utf-8', newline='\n')
            yield f'{name}: was not what nbs/{page}.ipynb makes of it; it has been written anew'
        plain = re.sub(r'```.*?```|`[^`\n]*`|^    .*$', '', text, flags=re.S|re.M)
        for href in map(''.join, re.findall(r'\]\(([^)\s]+)\)|(?:href|src)="([^"]+)"', plain)):
            if not href.startswith('https://'): yield f'nbs/{page}.ipynb: {href}: this page goes into {name}: its links and pictures need their whole address'
            elif (m:=re.match(rf'{re.escape(base)}/(.*?)(?:#.*)?$', href)) and m[1] and m[1] not in pages and not (NBS/m[1]).is_file(): yield f'nbs/{page}.ipynb: {href}: there is no such page'

# --- checking the sources -----------------------------------------------------------------------------------------------------
def hrefs(o):
    "Every `href` in a part of `_quarto.yml`"
    if isinstance(o, dict): return ([o['href']] if 'href' in o else [])+[h for v in o.values() for h in hrefs(v)]
    return [h for v in o for h in hrefs(v)] if isinstance(o, list) else []

def check_config(cfg):
    "What only Quarto makes of _quarto.yml: fonts, social cards, the bar on top. And each page is in the sidebar, once"
    yml = yaml.safe_load((ROOT/'_quarto.yml').read_text(encoding='utf-8'))
    web, html = yml['website'], yml['format']['html']
    for p in notebooks():
        if (n:=hrefs(web['sidebar']).count(p.name))!=1: yield f'_quarto.yml: {p.name} is in the sidebar {n} times, not once'
    nav, themes = hrefs(web['navbar']), [t if isinstance(t, list) else [t] for t in html['theme'].values()]
    if 'index.ipynb' in nav: yield '_quarto.yml: index.ipynb in the navbar is marked as the current page on each page: the title leads there already'
    if cfg.git_url not in nav: yield f'_quarto.yml: the navbar has no link to {cfg.git_url}'
    if html.get('respect-user-color-scheme') is not True: yield '_quarto.yml: respect-user-color-scheme must be true'
    for t in themes:
        if not any(o.endswith('.scss') and '$web-font-path: false' in (NBS/o).read_text(encoding='utf-8') for o in t): yield f'_quarto.yml: the theme {t} loads fonts from another host: a .scss must set $web-font-path: false'
    for k in 'open-graph','twitter-card':
        if not (isinstance(web.get(k), dict) and (NBS/web[k].get('image', '?')).is_file()): yield f'_quarto.yml: {k} must name an image: without one, Quarto takes the first on the page, the badge'

RULES = '.cell-output-display img { max-width: 100%; height: auto; }', 'td code:not(.sourceCode) {', 'li code:not(.sourceCode), p code:not(.sourceCode) {', 'main .anchorjs-link {', 'a > code {'

def check_styles():
    "Quarto gives pictures the size that they have, and lets no code in lists break: without these rules, pages are wider than a phone"
    text = (NBS/'styles.css').read_text(encoding='utf-8')
    for o in RULES:
        if o not in text: yield f'nbs/styles.css: lacks {o}'

def check_page(p, cfg):
    "Words, badge, cell for Colab, outputs, pictures, imports and what is exported, of a notebook"
    cells, repo = read_nb(p).cells, f'{cfg.user}/{cfg.repo}'
    prose = re.sub(r'```.*?```', '', ' '.join(source(c) for c in cells[2:] if c['cell_type']=='markdown'), flags=re.S)
    if (n:=len(re.findall(r'\w+', prose)))<WORDS: yield f'has {n} words of its own, and needs {WORDS}'
    picture = f'{cfg.doc_host}{cfg.doc_baseurl}/images/colab.svg' if p.stem in FILES else 'images/colab.svg'
    badge = f'<a href="https://colab.research.google.com/github/{repo}/blob/{cfg.branch}/nbs/{p.name}"><img src="{picture}" alt="Open in Colab"></a>'
    if badge not in source(cells[1]): yield f'cell 1: Quarto makes a figure of any other badge than {badge}'
    if not any(source(c).startswith('#| hide\n#| eval: false\n! [ -e /content ] && pip install') and f'git+https://github.com/{repo}.git' in source(c) for c in cells):
        yield f'has no guarded cell that installs git+https://github.com/{repo}.git in Colab'
    found = {}
    for i,c in enumerate(cells):
        for o in check_code(c) if c['cell_type']=='code' else check_prose(source(c)): found.setdefault(o, []).append(i)
    for o,at in found.items(): yield f'cells {", ".join(map(str, dict.fromkeys(at)))}: {o}'

def check_prose(text):
    "Markdown: pictures have words, commands keep their two hyphens"
    plain = re.sub(r'```.*?```|`[^`\n]*`|<!--.*?-->', '', text, flags=re.S)
    for m in re.finditer(r'!\[\]\(([^)]*)\)|<img(?![^>]*\balt=)[^>]*>', plain): yield f'{m[0]}: a picture without alt text'
    for m in re.finditer(r'(?<![\w-])--[a-z][\w-]*', plain): yield f'{m[0]} becomes an en dash: write it in backticks'

def check_code(c):
    "A cell of code: what is shown of it, and its outputs"
    code, outputs = source(c), [o.get('data', {}) for o in c.get('outputs', [])]
    pictures = any(k.startswith('image/') for o in outputs for k in o)
    tree = ast.parse('' if re.search('^%%', code, re.M) else re.sub(r'^\s*[!%].*$', 'pass', code, flags=re.M))
    is_import = all(isinstance(o, (ast.Import,ast.ImportFrom)) for o in tree.body)
    if re.search(r'^#\|\s*export\s*$', code, re.M) and tree.body and not is_import and not re.search(r'^#\|\s*hide', code, re.M):
        yield 'exported, but not shown: write #| exports, or #| hide'
    if re.search(r'^#\|\s*exports', code, re.M) and tree.body and is_import: yield 'imports are exported with #| export, which hides them'
    if re.search(r'code-fold: true', code) and not re.search(r'code-summary: \S+', code): yield 'a fold needs a name: #| code-summary: "…"'
    for o in outputs:
        if (size:=len(json.dumps(o)))>MOST: yield f'an output of {size:,} bytes, where {MOST:,} are allowed'
    if not is_shown(c): return
    if is_import and ('fastcore.test' in code or len(tree.body)>3): yield 'imports that only tests need: #| hide'
    if pictures and not re.search(r'^#\|\s*fig-alt:\s*\S', code, re.M): yield 'a picture without alt text: #| fig-alt: "…"'
    for o in outputs:
        yield from check_prose(said(o, 'text/markdown'))

def check_processed():
    "What Quarto would get: no links within links or code, no HTML as an output"
    for p in notebooks():
        for c in read_nb(PROC/p.name).cells:
            outputs = [o.get('data', {}) for o in c.get('outputs', [])]
            if any({'text/html','application/javascript'}&{*o} for o in outputs): yield f'{rel(p)}: for an output of text/html Quarto loads jquery and requirejs from another host'
            for text in [source(c)] if c['cell_type']=='markdown' else [said(o, 'text/markdown') for o in outputs]:
                if unlink_code(text)!=text: yield f'{rel(p)}: {text[:80]!r}: a link within a link, or within a block of code'

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
    "nbdev.yml is as settings.ini wants it"
    before = (NBS/'nbdev.yml').read_text() if (NBS/'nbdev.yml').exists() else ''
    with redirect_stdout(None): refresh_quarto_yml()
    if (NBS/'nbdev.yml').read_text()!=before: yield 'nbs/nbdev.yml: was not as settings.ini has it; it has been written anew'

# --- checking what was built --------------------------------------------------------------------------------------------------
class Page(HTMLParser):
    "What a built page refers to, and what can be referred to in it"
    def __init__(self, path):
        super().__init__()
        self.path, self.ids, self.links, self.loads, self.bare, self.text = path, set(), [], [], [], []
        self.code = 0
        self.feed(path.read_text(encoding='utf-8'))
    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs[k] for k in ('id','name') if attrs.get(k)}
        if tag in ('code','pre','script','style'): self.code += 1
        if tag=='img' and 'alt' not in attrs: self.bare.append(attrs.get('src', '')[:60])
        if tag=='a' and attrs.get('href'): self.links.append(attrs['href'])
        elif tag=='link' and attrs.get('href') and attrs.get('rel') not in ('canonical','next','prev'): self.loads.append(attrs['href'])
        elif attrs.get('src'): self.loads.append(attrs['src'])
    def handle_endtag(self, tag):
        if tag in ('code','pre','script','style'): self.code -= 1
    def handle_data(self, data):
        if not self.code: self.text.append(data)

class Built:
    "The built site"
    def __init__(self, cfg): self.cfg, self.base = cfg, cfg.doc_host+cfg.doc_baseurl+'/'
    @cached_property
    def pages(self): return {p.relative_to(DOCS).as_posix(): Page(p) for p in DOCS.rglob('*.html')}

    def target(self, page, href):
        "What is wrong with a link or a picture of a page; None if nothing is"
        if href.startswith(self.base): href = '/'+href.removeprefix(self.base)
        url = urlsplit(href)
        if href.startswith(self.cfg.git_url): return self.in_repo(url)
        if url.scheme or url.netloc: return
        path = (DOCS if url.path.startswith('/') else page.path.parent)/unquote(url.path).lstrip('/') if url.path else page.path
        if path.is_dir(): path /= 'index.html'
        if not path.is_file() or DOCS not in path.resolve().parents: return 'there is no such file'
        if url.fragment and path.suffix=='.html' and unquote(url.fragment) not in self.pages[path.resolve().relative_to(DOCS).as_posix()].ids: return 'there is no such place on that page'

    def in_repo(self, url):
        m = re.match(rf'/{self.cfg.user}/{self.cfg.repo}/(?:blob|tree|edit|raw)/([^/]+)/(.+)', url.path)
        if m and m[1]!=self.cfg.branch: return f'the branch is {self.cfg.branch}'
        if m and not (ROOT/unquote(m[2])).exists(): return 'there is no such file in the repository'

    def check(self):
        for p in notebooks():
            if page_name(p) not in self.pages: yield f'{rel(p)}: has no page'
        for name,page in self.pages.items():
            for o in dict.fromkeys(page.links+page.loads):
                if problem:=self.target(page, o): yield f'_docs/{name}: {o[:150]}: {problem}'
            for o in page.loads:
                if urlsplit(o).netloc and not o.startswith(self.base): yield f'_docs/{name}: loads {o[:150]} from another host'
            for o in page.bare: yield f'_docs/{name}: the picture {o} has no alt text'
            for m in re.finditer(r'(?<!\w)–[a-z][\w-]*', ' '.join(page.text)): yield f'_docs/{name}: {m[0]}: an en dash where two hyphens were meant'
        for p in DOCS.rglob('*.css'):
            for o in re.findall(r'(?:@import\s+|url\()\s*["\']?((?:https?:)?//[^"\')\s]+)', p.read_text(encoding='utf-8')): yield f'_docs/{p.relative_to(DOCS)}: loads {o} from another host'
        for p in DOCS.rglob('*'):
            if p.suffix in ('.png','.svg','.jpg','.gif') and p.stat().st_size>MOST: yield f'_docs/{p.relative_to(DOCS)}: has {p.stat().st_size:,} bytes, and may have {MOST:,}'

def check_all(cfg, built):
    yield from check_config(cfg)
    yield from check_styles()
    for p in notebooks(): yield from (f'{rel(p)}: {o}' for o in check_page(p, cfg))
    yield from check_processed()
    yield from check_names(cfg)
    yield from Built(cfg).check()
    if not built: yield from check_files(cfg)   # Quarto has just written them

def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument('--built', action='store_true', help='check the site in _docs/ as it is')
    args.add_argument('--look', metavar='DIR', help='leave pictures of all pages in this folder')
    args.add_argument('--serve', action='store_true', help='show the site when it is built')
    args = args.parse_args()
    os.chdir(ROOT)
    cfg = get_config()
    problems = [*check_yml(), *check_mixed()]
    if not args.built:
        if problems: return print(*problems, 'The site was not built', sep='\n') or True
        process()
        problems += build_site()
    problems += check_all(cfg, args.built)
    if find_browser():
        with TemporaryDirectory() as d: problems += browse(local_copy(d) if args.built else DOCS, args.look)
    else: print('Chromium or its driver is not installed: nobody has looked at the site')
    print(*problems, f'{len(notebooks())} pages, {len(problems)} problems', sep='\n')
    if args.serve:
        print('http://127.0.0.1:3000')
        ThreadingHTTPServer(('127.0.0.1', 3000), partial(SimpleHTTPRequestHandler, directory=DOCS)).serve_forever()
    return bool(problems)

if __name__=='__main__': sys.exit(main())
