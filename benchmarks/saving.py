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
    return dict(cpu=cpu[1].strip() if cpu else platform.machine(), cores=cores, python=platform.python_version(), **{p: version(p) for p in packages})

def save(
    name:str,     # Of the file, without .json
    rows:list,    # Dicts, a row of the table each
    note:str='',  # What a reader must know, in Markdown
    packages:tuple=(), # Packages whose versions matter
    **more        # Other entries
):
    "Write a table of results in one step"
    out = Path(__file__).parent/'results'/f'{name}.json'
    out.parent.mkdir(exist_ok=True)
    found = dict(note=note, date=str(date.today()), machine=machine(*packages), **more, rows=rows)
    write_text(out, json.dumps(found, indent=1, ensure_ascii=False)+'\n')
