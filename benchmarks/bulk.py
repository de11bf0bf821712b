"""What scifi_bulk (see nbs/07_bulk.ipynb) does on this machine, and whether it survives being killed. It needs the extra `bulk`, Linux,
and a disk with a kilobyte per question:

    python benchmarks/bulk.py speed             # 2,000,000 rows, two workers and one: about two hours
    python benchmarks/bulk.py kills             # 100,000 rows, killed at 20 random moments: about ten minutes

`speed` generates a Parquet file, tags it with each number of workers, and reports rows a second and the peak memory of all processes
together (the sum of their proportional set sizes). `kills` tags a file undisturbed, then once more while something is killed again
and again: a worker, the command with its scheduler, a scheduler of its own, or everything at once. It compares all bytes.
With --keep, benchmarks/results/bulk.json is written, too; the table of the other part stays in it.
"""
import json,random,re,resource,shutil,subprocess,sys,tempfile,time
from contextlib import ExitStack
from pathlib import Path

import psutil, pyarrow as pa, pyarrow.parquet as pq
from scifi_tags.testing import command_line,wait_for

# Questions

def write(path, n, seed=0):
    "A Parquet file of `n` questions of the starter corpus, in row groups of 10,000"
    from scifi_tags.starter import Generator
    some = [(q['title'],q['description']) for q in Generator(seed=seed).corpus(min(n, 20_000))]
    schema = pa.schema([('id',pa.int64()),('title',pa.string()),('description',pa.string())])
    with pq.ParquetWriter(path, schema) as w:
        for a in range(0, n, 10_000):
            ids = range(a, min(n, a+10_000))
            rows = [(i, f'{some[i%len(some)][0]} ({i})', some[i%len(some)][1]) for i in ids]
            w.write_table(pa.table([*map(list, zip(*rows))], schema=schema))

def content(folder): return {p.name: p.read_bytes() for p in Path(folder).iterdir()}
def n_shards(folder): return sum(1 for _ in Path(folder).glob('*.parquet'))

# Processes

def start(path, out, shard, *args):
    return subprocess.Popen(command_line('scifi_bulk', path, out, '--rows', shard, *args), stderr=subprocess.PIPE, encoding='utf-8')

def family(p):
    try: return [psutil.Process(p.pid), *psutil.Process(p.pid).children(recursive=True)]
    except psutil.NoSuchProcess: return []

def pss(processes):
    "MB of memory of some processes; what they share counts once"
    total = 0
    for o in processes:
        try: total += int(re.search(r'^Pss:\s+(\d+)', Path(f'/proc/{o.pid}/smaps_rollup').read_text(), re.M)[1])
        except (OSError,TypeError): pass
    return total/1024

# Speed

def run(path, out, shard, workers):
    "Tag a file; returns seconds, seconds of processor time, and memory at its peak and when a quarter of the shards were done"
    shutil.rmtree(out, ignore_errors=True)
    start_time,cpu,samples = time.monotonic(),resource.getrusage(resource.RUSAGE_CHILDREN),[]
    p = start(path, out, shard, '--workers', workers)
    while p.poll() is None: samples.append((n_shards(out),pss(family(p)))); time.sleep(.5)
    if p.returncode: sys.exit(p.stderr.read())
    seconds,after = time.monotonic()-start_time,resource.getrusage(resource.RUSAGE_CHILDREN)
    early = max(mb for n,mb in samples if n<=max(1, samples[-1][0]//4))
    return seconds,after.ru_utime+after.ru_stime-cpu.ru_utime-cpu.ru_stime,max(mb for _,mb in samples),early

def speed(folder, n, few, shard):
    "Rows a second and memory with two workers and with one"
    rows = []
    for workers,k in (2,n),(1,few or n):
        write(path:=folder/f'{k}.parquet', k)
        seconds,cpu,peak,early = run(path, folder/'out', shard, workers)
        rows.append({'workers':workers, 'questions':k, 'seconds':round(seconds), 'questions per second':round(k/seconds), 'per second of processor time':round(k/cpu),
                     'peak MB of all processes':round(peak), 'peak MB in the first quarter':round(early)})
        print(rows[-1], flush=True)
    ratio = rows[0]['questions per second']/rows[1]['questions per second']
    return rows,f'Two workers are {ratio:.2f} times as fast as one, from the start of the command to its end. Shards of {shard:,} questions.'

# Kills

KINDS = 'worker','command','all','scheduler'

def cluster(stack, folder):
    "A scheduler and two workers of its own; returns its process and address"
    file = folder/f'{random.random()}.json'
    def part(name, *args):
        p = subprocess.Popen([sys.executable, '-m', f'distributed.cli.dask_{name}', *map(str, args), '--no-dashboard'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(lambda: (p.terminate(), p.wait()))
        return p
    scheduler = part('scheduler', '--host', '127.0.0.1', '--port', 0, '--scheduler-file', file)
    address = wait_for(lambda: json.loads(file.read_text())['address'], ignore=(OSError,ValueError))
    for _ in range(2): part('worker', address, '--nthreads', 1, '--local-directory', folder/'scratch')
    return scheduler,address

def disturb(path, out, shard, kind, more, folder):
    "Start the command, and kill something once there are `more` shards; was it still running?"
    with ExitStack() as stack:
        scheduler,address = cluster(stack, folder) if kind=='scheduler' else (None,None)
        p = start(path, out, shard, *(['--scheduler', address] if address else ['--workers', 2]))
        goal,moment = n_shards(out)+more,random.uniform(0, 3)
        wait_for(lambda: p.poll() is not None or n_shards(out)>=goal, 3600)
        try: p.wait(moment)
        except subprocess.TimeoutExpired: pass
        running,processes = p.poll() is None,family(p)
        workers = [o for o in processes[1:] if 'spawn_main' in str(o.cmdline())]
        for o in dict(worker=workers[:1], command=processes[:1], all=processes, scheduler=[scheduler])[kind]:
            try: o.kill()
            except psutil.NoSuchProcess: pass
        if kind=='worker':   # it goes on, and is killed later
            wait_for(lambda: p.poll() is not None or n_shards(out)>=goal+1, 3600)
            p.kill()
        p.communicate()
        left = psutil.wait_procs(processes, 60)[1]
    if left: sys.exit(f'outlived the command: {left}')
    return running

def kills(folder, n, times, shard, seed):
    "Is what a run that was killed again and again made the same as what an undisturbed one made?"
    random.seed(seed)
    write(path:=folder/'kills.parquet', n)
    p = start(path, folder/"whole", shard)
    if p.communicate() and p.returncode: sys.exit(f"the undisturbed run ended with {p.returncode}")
    total,done = n_shards(folder/'whole'),dict.fromkeys(KINDS, 0)
    (out:=folder/'killed').mkdir()
    for i in range(times):
        kind,left = KINDS[i%len(KINDS)],total-n_shards(out)
        done[kind] += disturb(path, out, shard, kind, random.randint(0, max(0, 2*(left-2)//(times-i+1))), folder)
        print(f'{sum(done.values())} kills, {n_shards(out)} of {total} shards', flush=True)
    p = start(path, out, shard)
    said = p.communicate()[1]
    same = p.returncode==0 and content(out)==content(folder/'whole')
    return [{'killed':k, 'times':v} for k,v in done.items()],f'{n:,} questions in {total} shards, {sum(done.values())} kills at random moments. Same bytes as undisturbed: {"yes" if same else "NO: "+said}.',same

# All together

def bench(
    what:str,           # speed or kills
    rows:int=None,      # Questions; default: 2,000,000 for speed, 100,000 for kills
    few:int=None,       # Questions for one worker in speed; default: as for two
    shard:int=None,     # Questions per shard; default: 10,000 for speed, 1,000 for kills
    times:int=20,       # Kills
    seed:int=None,      # Of the moments
    folder:str=None,    # Where to put files, on a disk with room; default: the folder for temporary files
    keep:bool=False     # Write benchmarks/results/bulk.json?
):
    "Measure scifi_bulk, or kill it"
    if what not in ('speed','kills'): sys.exit(f'bulk.py: speed or kills, not {what!r}')
    with tempfile.TemporaryDirectory(dir=folder) as d:
        if what=='speed': table,note,good = *speed(Path(d), rows or 2_000_000, few, shard or 10_000),True
        else: table,note,good = kills(Path(d), rows or 100_000, times, shard or 1_000, seed)
    for o in table: print(o)
    print(note)
    if keep and good:
        from saving import save
        file = Path(__file__).parent/'results'/'bulk.json'
        old = json.loads(file.read_text(encoding='utf-8')) if file.exists() else {}
        new = {'rows':old.get('rows', []), 'note':old.get('note', ''), 'kills':old.get('kills', {})}
        new |= dict(rows=table, note=note) if what=='speed' else dict(kills=dict(rows=table, note=note))
        save('bulk', packages=('dask','distributed','pyarrow','onnxruntime'), **new)
    if not good: sys.exit(1)

if __name__=='__main__':
    from fastcore.script import call_parse
    call_parse(bench)
