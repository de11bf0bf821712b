"""Lay the tagger for the browser into a folder: this folder's modules, the runtime that the lock file pins, and the model.

    python web/build.py [FOLDER] [--model ARTIFACT]    makes FOLDER/web and FOLDER/sw.js

Without a folder, that is the site which Quarto is building, or _docs. Quarto runs it after each render of the whole site (`post-render` in _quarto.yml). It needs npm, the first time, and nothing of Python's but its own library.
"""
import argparse,json,os,shutil,subprocess,sys
from html import _invalid_charrefs,_invalid_codepoints
from html.entities import html5
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = 'scifi-tags.js','scifi-tagger.js','tagger.js','worker.js'
RUNTIME = ('onnxruntime-web/dist/ort.wasm.min.mjs', 'onnxruntime-web/dist/ort-wasm-simd-threaded.mjs', 'onnxruntime-web/dist/ort-wasm-simd-threaded.wasm',
           '@huggingface/tokenizers/dist/tokenizers.min.mjs', '@huggingface/tokenizers/LICENSE')
ARTIFACT = 'question-classifier-quantized.onnx','tokenizer.json','tag_types_encoded.json','config.json'

def install():
    "`node_modules` as `package-lock.json` pins it"
    lock, stamp = (HERE/'package-lock.json').read_bytes(), HERE/'node_modules'/'.stamp'
    if stamp.exists() and stamp.read_bytes()==lock: return
    if not (npm:=shutil.which('npm')): return 'npm is missing: install node (Debian: apt-get install nodejs npm)'
    subprocess.run([npm, 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], cwd=HERE, check=True)
    stamp.write_bytes(lock)

def entities():
    "How Python reads references to characters in HTML"
    dropped = [[i for _,i in g] for _,g in groupby(enumerate(sorted(_invalid_codepoints)), key=lambda o: o[1]-o[0])]
    return dict(html5=html5, invalid=_invalid_charrefs, dropped=[[o[0],o[-1]] for o in dropped])

def build(out, model):
    "Lay everything into `out`, with the artifact in `model`"
    shutil.rmtree(out/'web', ignore_errors=True)
    for d in 'runtime','model': (out/'web'/d).mkdir(parents=True)
    for o in SOURCES: shutil.copy2(HERE/o, out/'web')
    for o in RUNTIME: shutil.copy2(HERE/'node_modules'/o, out/'web'/'runtime')
    for o in ARTIFACT: shutil.copy2(model/o, out/'web'/'model')
    (out/'web'/'runtime'/'entities.json').write_text(json.dumps(entities(), separators=(',',':')), encoding='utf-8')
    shutil.copy2(HERE/'sw.js', out)

def folder():
    "The site that Quarto is building, all of it; `None` if it renders a single page, or the README"
    if 'QUARTO_PROJECT_DIR' not in os.environ: return HERE.parent/'_docs'
    if os.environ.get('QUARTO_PROJECT_RENDER_ALL'): return Path(os.environ['QUARTO_PROJECT_DIR'])/os.environ['QUARTO_PROJECT_OUTPUT_DIR']

def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    args.add_argument('folder', nargs='?', type=Path, help='where to lay web/ and sw.js')
    args.add_argument('--model', type=Path, default=HERE.parent/'scifi_tags'/'model', help='folder of an artifact (default: the shipped one)')
    args = args.parse_args()
    if (out:=args.folder or folder()) is None: return
    if problem:=install(): return print(f'web/build.py: {problem}. The site is built without its tagger', file=sys.stderr)
    build(out, args.model)

if __name__=='__main__': main()
