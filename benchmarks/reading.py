"""What reading a million questions costs: our reader (see nbs/00c_readers.ipynb), Python's csv.DictReader, and pandas.read_csv.

Each line is measured in a fresh process, in seconds of processor time, so that other work on the machine matters little. It runs in a clone
with the `collect` extra, on Linux, and takes a few minutes and half a gigabyte of disk:

    python benchmarks/reading.py

With --keep it writes benchmarks/results/reading.json, too.
"""
import csv,json,random,re,subprocess,sys,tempfile,time
from pathlib import Path

# What the processes do

def dict_reader(path):
    with open(path, encoding='utf-8', newline='') as f: return sum(1 for _ in csv.DictReader(f))

def pandas(path):
    from pandas import read_csv
    return len(read_csv(path))

def rows(path):
    from scifi_tags.readers import open_rows
    return sum(1 for _ in open_rows(path))

def questions(path):
    from scifi_tags.readers import read_questions
    return sum(1 for _ in read_questions(path))

def nothing(path): return 0

def child(name, path):
    "Do it, and print what it took: rows, seconds of processor time, peak KB"
    start = time.process_time()
    n = globals()[name](path)
    print(n, time.process_time()-start, re.search(r'VmHWM:\s*(\d+)', Path('/proc/self/status').read_text())[1])

# What starts and measures them

WAYS = dict(dict_reader='csv.DictReader', pandas='pandas.read_csv', rows='open_rows', questions='read_questions, tags read')

def write(path, n):
    "A CSV file of `n` questions, with commas, quotes and line ends in their bodies"
    rng, words = random.Random(0), 'who trained the knight that guards a ship of time travellers in this film or book'.split()
    tags = [json.dumps([f'tag-{i}', f'tag-{j}']) for i in range(60) for j in range(i)]
    with open(path, 'w', encoding='utf-8', newline='') as f:
        w = csv.writer(f, lineterminator='\n')
        w.writerow(['title','url','description','tags'])
        for i in range(n):
            text = ' '.join(rng.choices(words, k=50))
            w.writerow([f'{text[:50]}?', f'https://scifi.stackexchange.com/questions/{i}/who', f'{text}, "he said",\n{text[:40]}.', rng.choice(tags)])

def measure(name, path, n, repeat):
    "The fastest of some fresh processes"
    runs = []
    for _ in range(repeat):
        p = subprocess.run([sys.executable, __file__, '--child', name, path], capture_output=True, text=True)
        if p.returncode: sys.exit(p.stderr)
        found,seconds,kb = p.stdout.split()
        assert int(found)==(n if name in WAYS else 0), f'{name} found {found} rows'
        runs.append((float(seconds),int(kb)/1024))
    return min(runs)

def bench(
    n:int=1_000_000, # Rows
    repeat:int=3,    # Processes for each line
    keep:bool=False  # Write benchmarks/results/reading.json?
):
    "Rows a second, and peak memory beyond that of the interpreter, of each way of reading CSV"
    with tempfile.NamedTemporaryFile(suffix='.csv') as f:
        write(f.name, n)
        (_,bare),took = measure('nothing', f.name, n, 1),{k: measure(k, f.name, n, repeat) for k in WAYS}
    lines = [{'way': WAYS[k], 'rows a second': round(n/seconds), 'peak MB': round(mb), 'above the interpreter (MB)': round(mb-bare)} for k,(seconds,mb) in took.items()]
    for o in lines: print(o)
    speed = {k: n/seconds for k,(seconds,_) in took.items()}
    note = ' '.join([f'{n:,} questions, {repeat} processes each, of which the fastest counts; processor time.'] +
        [f'`{WAYS[k].split(",")[0]}` is {speed[k]/speed["dict_reader"]:.2f} times as fast as `csv.DictReader` and {speed[k]/speed["pandas"]:.2f} times as fast as `pandas.read_csv`.' for k in ('rows','questions')])
    print(note)
    if keep:
        from saving import save
        save('reading', lines, note, packages=('pandas',))

if __name__=='__main__':
    if sys.argv[1:2]==['--child']: child(*sys.argv[2:])
    else:
        from fastcore.script import call_parse
        call_parse(bench)
