"Where benchmarks put what they measured: benchmarks/results/NAME.json, which the page nbs/21_benchmarks.ipynb shows"
import json,os,platform,re
from datetime import date
from importlib.metadata import version
from pathlib import Path

from scifi_tags.text import write_text

def machine(*packages):
    "What the figures depend on: processor, cores, versions"
    cpu = re.search(r'^model name\s*:\s*(.+)$', Path('/proc/cpuinfo').read_text(), re.M) if Path('/proc/cpuinfo').exists() else None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return dict(cpu=cpu[1].strip() if cpu else platform.machine(), cores=cores, instructions=' '.join(instructions()), python=platform.python_version(), **{p: version(p) for p in packages})

INSTRUCTIONS = 'avx2','avx512f','avx_vnni','avx512_vnni','amx_int8'   # that 8-bit products may use

def instructions():
    "Which of `INSTRUCTIONS` the processor has, where Linux lists them"
    flags = re.search(r'^flags\s*:\s*(.+)$', Path('/proc/cpuinfo').read_text(), re.M) if Path('/proc/cpuinfo').exists() else None
    return [i for i in INSTRUCTIONS if flags and i in flags[1].split()]

def save(
    name:str,     # Of the file, without .json
    rows:list,    # Dicts, a row of the table each
    note:str='',  # What a reader must know, in Markdown
    packages:tuple=(), # Packages whose versions matter
    **more        # Other entries
):
    "Write a table of results in one step"
    _write(name, dict(note=note, date=str(date.today()), machine=machine(*packages), **more, rows=rows))

def _path(name): return Path(__file__).parent/'results'/f'{name}.json'

def _write(name, found):
    _path(name).parent.mkdir(exist_ok=True)
    write_text(_path(name), json.dumps(found, indent=1, ensure_ascii=False)+'\n')

def load(name):
    "The results in a file, `{}` if there is none"
    return json.loads(_path(name).read_text(encoding='utf-8')) if _path(name).exists() else {}

def update(name, packages=(), **entries):
    "Replace dicts in a file of results, each with the date and the machine of its own"
    found = load(name)
    _write(name, found | {k: dict(v, date=str(date.today()), machine=machine(*packages)) for k,v in entries.items()})
