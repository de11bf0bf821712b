"""What collecting costs: our ways and the original's, on the local replica of the API (see nbs/01_fetch.ipynb and nbs/01a_dump.ipynb).

Each line is measured in a fresh process. It runs in a clone with the `collect` extra, on Linux, and takes about four minutes:

    python benchmarks/collect.py

With --keep it also writes benchmarks/results/collect.json.
"""
import csv,json,os,re,subprocess,sys,tempfile,time
from pathlib import Path
from xml.sax.saxutils import quoteattr

import requests
from fastcore.script import call_parse

from scifi_tags.collect import COLUMNS,question_id,question_row,read_rows
from scifi_tags.dump import scifi_dump
from scifi_tags.fetch import scifi_fetch
from scifi_tags.replica import Faults,Replica,replica_questions

from saving import save

KEY = 'replica-key'

# What the processes do

def write_rows(rows, out):
    with open(out, 'w', newline='') as f:
        w = csv.DictWriter(f, COLUMNS)
        w.writeheader()
        w.writerows(rows)

def original(ids, endpoint, out):
    "The original's way: a call per question, and the whole file written again after each; prints its seconds"
    rows, start = [], time.perf_counter()
    for id in ids:
        q = requests.get(f'{endpoint}/questions/{id}', params=dict(site='scifi', filter='withbody', key=KEY)).json()['items'][0]
        rows.append(question_row(q['title'], q['link'], q['body'], q['tags']))
        write_rows(rows, out)
    print(time.perf_counter()-start)

def rewrite(path, out):
    "One such writing of a file of full size; prints its seconds"
    rows = list(read_rows(path))
    start = time.perf_counter()
    write_rows(rows, out)
    print(time.perf_counter()-start)

WORK = dict(fetch=scifi_fetch, dump=scifi_dump, original=original, rewrite=rewrite)

def child(name, kwargs):
    WORK[name](**kwargs)
    print(re.search(r'VmHWM:\s*(\d+)', Path('/proc/self/status').read_text())[1]) # KB, the most memory that this process had

# What starts and measures them

def measure(name, **kwargs):
    "Seconds and peak MB of a fresh process, and what it printed"
    start = time.perf_counter()
    p = subprocess.run([sys.executable, __file__, '--child', json.dumps([name, kwargs])], env=dict(os.environ, STACK_API_KEY=KEY), capture_output=True, text=True)
    if p.returncode: sys.exit(p.stderr)
    *said,kb = p.stdout.splitlines()
    return time.perf_counter()-start, int(kb)/1024, said

def write_dump(path, rows, copies):
    "A data dump with so many `copies` of the `rows`, and an answer to each"
    with open(path, 'w') as f:
        f.write('<?xml version="1.0" encoding="utf-8"?>\n<posts>\n')
        for i,row in enumerate(row for _ in range(copies) for row in rows):
            post = dict(Id=2*i+1, PostTypeId=1, Score=i%97, Body=f'<p>{row["description"]}</p>\n', Title=row['title'], Tags=f'|{"|".join(row["tags"])}|')
            f.write(f'<row {" ".join(f"{k}={quoteattr(str(v))}" for k,v in post.items())} />\n<row Id="{2*i+2}" PostTypeId="2" Score="3" Body="&lt;p&gt;Because.&lt;/p&gt;" />\n')
        f.write('</posts>\n')

LINES = []

def line(what, requests, seconds, mb):
    LINES.append({'': what, 'requests': requests, 'seconds': round(seconds, 1), 'peak MB': mb and round(mb)})
    print(f'| {what:<48} | {requests:>8,} | {seconds:>9,.1f} | {"" if mb is None else f"{mb:,.0f}":>7} |', flush=True)

def bench_fetch(d, rows, delay):
    "Ours, on a good day and on a bad one; calls and seconds of the first"
    n, res = len(rows), []
    for name,faults in ('good',None), ('bad',Faults.all(.03, deleted=0, untagged=0)):
        with Replica(rows, delay=delay, faults=faults) as r:
            seconds,mb,_ = measure('fetch', out=f'{d}/{name}.csv', top=n, endpoint=r.endpoint)
            stats = r.stats()
        line(f'... with {stats["faults"]} faults' if faults else f'scifi_fetch, {n:,} questions', stats['requests'], seconds, mb)
        assert not stats['violations'], 'a rule of the API was broken'
        res.append((stats['requests'], seconds))
    assert Path(f'{d}/good.csv').read_bytes()==Path(f'{d}/bad.csv').read_bytes(), 'faults changed the file'
    return res[0]

def bench_original(d, rows, delay, sample):
    "The original's way with the first of the rows, scaled to all; seconds for all"
    ids, n = [question_id(row['url']) for row in rows[:sample]], len(rows)
    with Replica(rows, delay=delay) as r: _,mb,said = measure('original', ids=ids, endpoint=r.endpoint, out=f'{d}/original.csv')
    seconds, full = float(said[-1]), float(measure('rewrite', path=f'{d}/good.csv', out=f'{d}/again.csv')[2][-1])
    line(f"the original's way, {len(ids):,} questions", len(ids), seconds, mb)
    line(f"the original's way, {n:,} questions, scaled", n, scaled:=seconds/len(ids)*n+full*n/2, None)
    return scaled, full

def bench_dump(d, rows, copies):
    "A dump, all of it and its best; MB for all of it"
    write_dump(f'{d}/Posts.xml', rows, copies)
    for top in None,30_000:
        seconds,mb,_ = measure('dump', path=f'{d}/Posts.xml', out=f'{d}/dump.csv', **(dict(top=top) if top else {}))
        line(f'scifi_dump{f" --top {top}" if top else ""}, {len(rows)*copies:,} questions', 0, seconds, mb)
        if not top: res = mb
    return res

def bench(
    n:int=30_000,    # Questions to fetch
    delay:float=0.1, # Seconds that the API takes to answer
    sample:int=300,  # Questions to fetch in the original's way
    copies:int=1000, # The large dump is so many copies of the small one, which has 170 questions
    keep:bool=False  # Write benchmarks/results/collect.json?
):
    "Requests, seconds and peak memory of each way of collecting questions"
    rows = replica_questions(n)
    print(f'| {"":<48} | requests |   seconds | peak MB |\n|{"-"*50}|---------:|----------:|--------:|')
    with tempfile.TemporaryDirectory() as d:
        calls,ours = bench_fetch(d, rows, delay)
        scaled,full = bench_original(d, rows, delay, sample)
        small, large = (bench_dump(d, rows[:170], k) for k in (1, copies))
    note = f"""
An answer of the API takes {delay} s here. The original's line is scaled like this: the time for calls grows with the number of questions; the time for writing
the file grows with its size, which is half of the full size on average, and at full size it takes {full:.2f} s.

The original's way / ours: {n/calls:,.0f} times the requests, {scaled/ours:,.0f} times the seconds.
A dump {copies:,} times as long: {large/small:.2f} times the memory."""
    print(note)
    if keep: save('collect', LINES, note.strip())

if __name__=='__main__':
    if sys.argv[1:2]==['--child']: child(*json.loads(sys.argv[2]))
    else: call_parse(bench)
