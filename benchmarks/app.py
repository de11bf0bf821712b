#!/usr/bin/env python3
"""How the app does in a crowd: every answer is compared with that of the library, and all are timed; with single questions, with batches, and while a long file is tagged

It runs in a clone with the `app` extra, and takes some four minutes:

    python benchmarks/app.py

It writes benchmarks/results/app.json, too.
"""
import json,subprocess,sys,tempfile,time,uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Thread

import numpy as np
from fastcore.script import call_parse

from scifi_tags.app import EXAMPLES
from scifi_tags.infer import load_model
from scifi_tags.text import question_text

from saving import save


@contextmanager
def serving(folder, *args):
    "`(process, port)` of an app of our own"
    script = Path(folder)/'scifi_app.py'
    script.write_text('from scifi_tags.app import scifi_app\nscifi_app()\n')
    start = time.perf_counter()
    p = subprocess.Popen([sys.executable, script, *args], stdout=subprocess.PIPE, encoding='utf-8')
    try:
        port = int(p.stdout.readline().strip(' /\n').rpartition(':')[2])
        print(f'up after {time.perf_counter()-start:.1f} s, with {memory(p):.0f} MB', flush=True)
        yield p,port
    finally:
        p.terminate()
        p.wait()


def memory(p, what='VmRSS'):
    "Megabytes that process `p` has in memory now, or with 'VmHWM' had at most"
    return next(int(line.split()[1]) for line in open(f'/proc/{p.pid}/status') if line.startswith(what+':'))/1024


class Client:
    "One connection to the app"
    def __init__(self, port): self.http = HTTPConnection('127.0.0.1', port, timeout=300)

    def ask(self, path, data=None, kind='application/json'):
        self.http.request('GET' if data is None else 'POST', path, data, {} if data is None else {'Content-Type': kind})
        r = self.http.getresponse()
        if r.status!=200: raise RuntimeError(f'{path}: {r.status} {r.read()[:200]}')
        return r

    def post(self, path, **kw): return json.loads(self.ask(path, json.dumps(kw)).read())

    def call(self, name, *args):
        "The answer of an endpoint"
        id = self.post(f'/gradio_api/call/{name}', data=args)['event_id']
        event,data = self.ask(f'/gradio_api/call/{name}/{id}').read().decode().strip().split('\n\n')[-1].split('\n')
        if event!='event: complete': raise RuntimeError(data)
        return json.loads(data.removeprefix('data: '))[0]


def crowd(port, clients, seconds, ask, right):
    "Have `clients` call `ask(client, i)` for `seconds`; `right(i, answer)` judges"
    took,wrong,lost = [],[],[]
    numbers,end = count(),time.perf_counter()+seconds
    def run():
        c = Client(port)
        while (start := time.perf_counter())<end:
            i = next(numbers)
            try: answer = ask(c, i)
            except Exception as e: lost.append(e); c = Client(port); continue
            took.append(time.perf_counter()-start)
            if not right(i, answer): wrong.append(i)
    threads = [Thread(target=run) for _ in range(clients)]
    start = time.perf_counter()
    for t in threads: t.start()
    for t in threads: t.join()
    return took,wrong,lost,time.perf_counter()-start


def report(name, p, took, wrong, lost, seconds, each=1):
    "Print how it went: a row of the table"
    p50,p95,longest = (round(1000*t) for t in np.percentile(took, [50,95,100]))
    res = {'': name, 'questions': len(took)*each, 'a second': round(len(took)*each/seconds, 1), 'p50 (ms)': p50, 'p95 (ms)': p95, 'longest (ms)': longest,
           'wrong': len(wrong), 'lost': len(lost), 'memory (MB)': round(memory(p)), 'at most (MB)': round(memory(p, 'VmHWM'))}
    print('  '.join(f'{v} {k}' if k else f'{v:<34}' for k,v in res.items()), flush=True)
    for e in lost[:3]: print('   ', e)
    return res


def tag_file(port, text, name):
    "Upload a file and have it tagged as a browser does: whether all went well"
    c,mark,session = Client(port),uuid.uuid4().hex,uuid.uuid4().hex
    body = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n{text}\r\n--{mark}--\r\n'.encode()
    path = json.loads(c.ask('/gradio_api/upload', body, f'multipart/form-data; boundary={mark}').read())[0]
    job = next(d['id'] for d in json.loads(c.ask('/config').read())['dependencies'] if d['api_name']=='tag_file')
    c.post('/gradio_api/queue/join', data=[dict(path=path, orig_name=name, meta={'_type':'gradio.FileData'})], fn_index=job, session_hash=session)
    events = [json.loads(line[6:]) for line in c.ask(f'/gradio_api/queue/data?session_hash={session}') if line.startswith(b'data: ')]
    return next(e['success'] for e in events if e['msg']=='process_completed')


@call_parse
def main(
    seconds:int=60,  # Time for each kind of call
    clients:int=64,  # Clients at a time
    batch:int=8,     # Questions in a call of predict_batch
    lines:int=50_000 # Lines of the file that is tagged while single questions are asked
):
    "Latency, memory and correctness of the app under load; exits with 1 if an answer was wrong or lost"
    model = load_model(threads=1)
    questions = [[f'{title} ({i})', body] for i in range(20) for title,body in EXAMPLES]
    expected = model.predict([question_text(*q) for q in questions])
    def nth(i): return i%len(questions)
    def same(tags, other): return list(tags)==list(other) and np.allclose(list(tags.values()), list(other.values()), atol=1e-4)
    def some(i): return [nth(i*batch+j) for j in range(batch)]
    def ask_batch(c, i): return c.call('predict_batch', [dict(title=questions[j][0], description=questions[j][1]) for j in some(i)], None)
    with tempfile.TemporaryDirectory() as folder, serving(folder) as (p,port):
        ask = lambda c,i: c.call('predict', *questions[nth(i)], None), lambda i,tags: same(tags, expected[nth(i)])
        rows = [report('one client', p, *crowd(port, 1, seconds/6, *ask))]
        rows.append(report(f'{clients} clients', p, *crowd(port, clients, seconds, *ask)))
        rows.append(report(f'{clients} clients, {batch} questions a call', p, *crowd(port, clients, seconds, ask_batch, lambda i,a: all(same(t, expected[j]) for t,j in zip(a, some(i), strict=True))), each=batch))
        text = 'title,body\n'+''.join(f'Who is number {i}?,He is not a free man.\n' for i in range(lines))
        with ThreadPoolExecutor() as pool:
            start = time.perf_counter()
            job = pool.submit(tag_file, port, text, 'long.csv')
            rows.append(report('one client beside a long file', p, *crowd(port, 1, seconds, *ask)))
            beside = 'before that' if job.done() else 'all the time'
            good = job.result()
        note = f'Beside it, a file of {lines:,} lines was at work {beside}; it took {time.perf_counter()-start:.0f} s.'
    print(note)
    save('app', rows, note)
    if not good or any(r['wrong'] or r['lost'] for r in rows): sys.exit(1)
