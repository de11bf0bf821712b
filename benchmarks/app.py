#!/usr/bin/env python3
"""The app under load: every answer is compared with the library's, and all are timed; over plain HTTP and through Gradio, and while a long file is tagged

It runs in a clone with the `app` extra, and takes about six minutes:

    python benchmarks/app.py

It also writes benchmarks/results/app.json.
"""
import asyncio,json,sys,time,uuid
from itertools import count
from urllib.parse import urlsplit

import numpy as np
from fastcore.script import call_parse

from scifi_tags.infer import load_model
from scifi_tags.site import load_site
from scifi_tags.testing import command_line,running
from scifi_tags.text import question_text

from saving import save


class Client:
    "One connection that is kept open; asyncio, and just enough HTTP, since the client runs on the same cores as the app"
    def __init__(self, port): self.port,self.streams = port,None

    async def ask(self, method, path, data=b'', kind='application/json'):
        if not self.streams: self.streams = await asyncio.open_connection('127.0.0.1', self.port, limit=1<<20)
        r,w = self.streams
        w.write(f'{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n'.encode()+data)
        head = (await r.readuntil(b'\r\n\r\n')).lower()
        body = await (self.chunks(r) if b'transfer-encoding: chunked' in head else r.readexactly(int(head.split(b'content-length: ')[1].split(b'\r')[0])))
        if head[9:12]!=b'200': raise RuntimeError(f'{path}: {head[9:12].decode()} {body[:200]}')
        return body

    async def chunks(self, r):
        res = b''
        while n := int(await r.readline(), 16): res += (await r.readexactly(n+2))[:-2]
        await r.readline()
        return res

    async def post(self, path, data): return json.loads(await self.ask('POST', path, json.dumps(data).encode()))
    def close(self): self.streams = self.streams and self.streams[1].close()


async def plain(c, name, **kw): return await c.post(f'/api/{name}', kw)

async def gradio(c, name, **kw):
    "A call takes two requests"
    id = (await c.post(f'/gradio_api/call/v2/{name}', kw))['event_id']
    event,data = (await c.ask('GET', f'/gradio_api/call/{name}/{id}')).decode().strip().split('\n\n')[-1].split('\n')
    if event!='event: complete': raise RuntimeError(data)
    return json.loads(data.removeprefix('data: '))[0]


class Load:
    "Calls by many clients at once, and how they went"
    def __init__(self, name, port, clients, ask, right, each=1):
        self.name,self.port,self.clients,self.ask,self.right,self.each = name,port,clients,ask,right,each
        self.took,self.wrong,self.lost,self.seconds,self.numbers = [],[],[],0,count()

    async def client(self, end):
        c = Client(self.port)
        while (start := time.perf_counter())<end:
            i = next(self.numbers)
            try: answer = await self.ask(c, i)
            except Exception as e: self.lost.append(e); c.close(); c = Client(self.port); continue
            self.took.append(time.perf_counter()-start)
            if not self.right(i, answer): self.wrong.append(i)
        c.close()

    async def run(self, seconds):
        start = time.perf_counter()
        await asyncio.gather(*(self.client(start+seconds) for _ in range(self.clients)))
        self.seconds += time.perf_counter()-start
        return self

    @property
    def rate(self): return len(self.took)*self.each/self.seconds

    def row(self, p):
        "Print how it went: a row of the table"
        p50,p95,longest = (round(1000*t, 1) for t in np.percentile(self.took, [50,95,100]))
        res = {'': self.name, 'questions': len(self.took)*self.each, 'per second': round(self.rate, 1), 'p50 (ms)': p50, 'p95 (ms)': p95, 'longest (ms)': longest,
               'wrong': len(self.wrong), 'lost': len(self.lost), 'memory (MB)': round(memory(p)), 'at most (MB)': round(memory(p, 'VmHWM'))}
        print('  '.join(f'{v} {k}' if k else f'{v:<40}' for k,v in res.items()), flush=True)
        for e in self.lost[:3]: print('   ', repr(e))
        return res


def memory(p, what='VmRSS'):
    "Megabytes that process `p` has in memory now, or with 'VmHWM' had at most"
    return next(int(line.split()[1]) for line in open(f'/proc/{p.pid}/status') if line.startswith(what+':'))/1024


async def tag_file(port, text, name):
    "Upload a file and have it tagged as a browser does: whether all went well"
    c,mark,session = Client(port),uuid.uuid4().hex,uuid.uuid4().hex
    body = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n{text}\r\n--{mark}--\r\n'.encode()
    path = json.loads(await c.ask('POST', '/gradio_api/upload', body, f'multipart/form-data; boundary={mark}'))[0]
    job = next(d['id'] for d in json.loads(await c.ask('GET', '/config'))['dependencies'] if d['api_name']=='tag_file')
    file = dict(path=path, orig_name=name, meta={'_type':'gradio.FileData'})
    await c.post('/gradio_api/queue/join', dict(data=[file,'',False], fn_index=job, session_hash=session))
    events = [json.loads(o[6:]) for o in (await c.ask('GET', f'/gradio_api/queue/data?session_hash={session}')).split(b'\n') if o.startswith(b'data: ')]
    return next(e['success'] for e in events if e['msg']=='process_completed')


class Questions:
    "What is asked, and what the library answers"
    def __init__(self):
        self.asked = [dict(title=f'{o["title"]} ({i})', description=o.get('body', '')) for i in range(20) for o in load_site().examples]
        self.answers = load_model(threads=1).predict([question_text(**q) for q in self.asked])

    def same(self, tags, other): return list(tags)==list(other) and np.allclose(list(tags.values()), list(other.values()), atol=1e-4)
    def one(self, call):
        n = len(self.asked)
        return lambda c,i: call(c, 'predict', **self.asked[i%n]), lambda i,tags: self.same(tags, self.answers[i%n])
    def several(self, call, batch):
        def some(i): return [(i*batch+j)%len(self.asked) for j in range(batch)]
        return (lambda c,i: call(c, 'predict_batch', questions=[self.asked[j] for j in some(i)])),(
            lambda i,res: all(self.same(t, self.answers[j]) for t,j in zip(res, some(i), strict=True)))


async def interfaces(p, port, clients, seconds, batch, rounds):
    "Plain HTTP and Gradio in turns, so that a busy moment of the machine meets both"
    q,rows = Questions(),[]
    for name,n,each in ('one client',1,1),(f'{clients} clients',clients,1),(f'{clients} clients, {batch} questions a call',clients,batch):
        asks = [(way, q.one(call) if each==1 else q.several(call, each)) for way,call in (('Gradio',gradio),('plain HTTP',plain))]
        loads = [Load(f'{way}: {name}', port, n, *ask, each=each) for way,ask in asks]
        for _ in range(rounds):
            for load in loads: await load.run(seconds/rounds if n>1 else seconds/rounds/4)
        rows += [load.row(p) for load in loads]
        g,h = loads
        print(f'{name}: {h.rate/g.rate:.1f} times as many questions a second, p95 {np.percentile(h.took, 95)/np.percentile(g.took, 95):.2f} of it', flush=True)
    return rows


async def beside_file(p, port, seconds, lines):
    "One client while a long file is tagged"
    text = 'title,body\n'+''.join(f'Who is number {i}?,He is not a free man.\n' for i in range(lines))
    start,job = time.perf_counter(),asyncio.create_task(tag_file(port, text, 'long.csv'))
    loads = [await Load(f'{way}: one client beside a long file', port, 1, *Questions().one(call)).run(seconds/2) for way,call in (('Gradio',gradio),('plain HTTP',plain))]
    beside = 'before that' if job.done() else 'all the time'
    good = await job
    return [o.row(p) for o in loads],good,f'Beside the file, of {lines:,} lines, which was at work {beside}; it took {time.perf_counter()-start:.0f} s.'


async def all_of_it(p, port, seconds, clients, batch, lines, rounds):
    rows = await interfaces(p, port, clients, seconds, batch, rounds)
    more,good,note = await beside_file(p, port, seconds, lines) if lines else ([],True,'')
    return rows+more,good,note


@call_parse
def main(
    seconds:int=60,  # Time for each kind of call
    clients:int=64,  # Clients at a time
    batch:int=8,     # Questions in a call of predict_batch
    lines:int=50_000,# Lines of the file that is tagged while single questions are asked; 0: no file
    rounds:int=3     # Turns in which the two interfaces are measured
):
    "Latency, memory and correctness of the app under load; exits with 1 if an answer was wrong or lost"
    start = time.perf_counter()
    with running(command_line('scifi_app')) as p:
        port = urlsplit(p.stdout.readline().split()[-1]).port
        print(f'up after {time.perf_counter()-start:.1f} s, with {memory(p):.0f} MB', flush=True)
        rows,good,note = asyncio.run(all_of_it(p, port, seconds, clients, batch, lines, rounds))
    print(note)
    if lines: save('app', rows, note, packages=('gradio','starlette','uvicorn','onnxruntime'))
    if not good or any(r['wrong'] or r['lost'] for r in rows): sys.exit(1)
