"""Run the notebooks as Colab would: each in a process of its own and an empty folder outside the repository, with the package
installed from a copy (not editable), every cell from top to bottom, and neither nbdev nor the repository within reach.

    python .ci/colab.py [NOTEBOOK ...]

It takes the other packages from the environment that it is started in, the one that ./test.sh makes. A notebook may take five
minutes. The last line is `N passed, N failed`.
"""
import json,os,re,shutil,subprocess,sys,sysconfig,tempfile,time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT = int(os.environ.get('COLAB_LIMIT', 300))   # seconds

def run(path, *skip):
    "Run all cells in this process, except those with a flag in `skip`"
    from IPython.core.interactiveshell import InteractiveShell
    sys.modules['nbdev'] = None   # Colab has no nbdev
    shell = InteractiveShell.instance()
    for i,c in enumerate(json.loads(Path(path).read_text(encoding='utf-8'))['cells']):
        if c['cell_type']!='code' or re.match(rf'(#\|.*\n)*#\| *({"|".join(skip) or "$^"})\b', ''.join(c['source'])): continue
        res = shell.run_cell(''.join(c['source']), store_history=True)
        if not res.success: sys.exit(f'cell {i}: {type(e:=res.error_before_exec or res.error_in_exec).__name__}: {e}')

def copy_tree(source):
    "Copy what git tracks, or would track, to the folder `source`"
    files = subprocess.run(['git','ls-files','-z','--cached','--others','--exclude-standard'], cwd=ROOT, capture_output=True, check=True).stdout
    source.mkdir()
    for name in filter(None, files.decode().split('\0')):
        (source/name).parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(ROOT/name): shutil.copy2(ROOT/name, source/name, follow_symlinks=False)

def install(d):
    "Install a copy of the tree into a new environment in `d`, beside the packages of this one; its Python"
    copy_tree(d/'source')
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', d/'venv'], check=True)
    lib = next((d/'venv'/'lib').glob('python*/site-packages'))
    (lib/'others.pth').write_text(sysconfig.get_paths()['purelib']+'\n')   # a folder on the path: what is installed editable there stays out
    python = d/'venv'/'bin'/'python'
    subprocess.run([python, '-m', 'pip', 'install', '-qq', '--no-deps', '--no-build-isolation', '--disable-pip-version-check', '--ignore-installed', d/'source'], check=True)
    return python

def run_all(paths, python, d, *skip):
    "Run each notebook in a process and an empty folder of its own, below `d`; is there any problem?"
    env = dict(os.environ, PATH=f'{Path(python).parent}:{os.environ["PATH"]}', HF_HUB_OFFLINE='1', GRADIO_ANALYTICS_ENABLED='False', MPLBACKEND='agg')
    for k in 'IN_TEST','PYTHONPATH': env.pop(k, None)
    passed = 0
    for p in paths:
        (here:=d/f'empty_{p.stem}').mkdir()
        start = time.time()
        try: done = subprocess.run([python, Path(__file__).resolve(), '--run', p, *skip], cwd=here, env=env, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired: problem = f'took more than {LIMIT} s'
        else: problem = done.returncode and (done.stderr.strip().splitlines() or [f'exit status {done.returncode}'])[-1]
        left = [o.name for o in here.iterdir()]
        problem = problem or (left and f'left behind: {left}')
        passed += not problem
        print(f'{p.stem:16} {time.time()-start:5.0f} s  {f"FAILED: {problem}" if problem else "ok"}', flush=True)
    print(f'{passed} passed, {len(paths)-passed} failed')
    return passed<len(paths) or not paths

def notebooks(names=()):
    "The paths of all notebooks, or of those named"
    return [p for p in sorted((ROOT/'nbs').glob('*.ipynb')) if p.name[0] not in '._' and (not names or p.stem in names)]

def main(names):
    with tempfile.TemporaryDirectory(prefix='colab-', ignore_cleanup_errors=True) as d: return run_all(notebooks(names), install(d:=Path(d)), d)

if __name__=='__main__': run(*sys.argv[2:]) if sys.argv[1:2]==['--run'] else sys.exit(main(sys.argv[1:]))
