"""How fast, how large and how steady `predict` is, compared with the original's way and with what one would pick instead.

    python benchmarks/infer.py compare                # about 30 minutes on 2 cores, with the `train` and `dev` extras, on Linux: results/infer.json
    python benchmarks/infer.py compare --n 100 --rounds 2 --out quick      # a quick look: results/quick.json
    python benchmarks/infer.py stress                 # many threads and processes at a time; adds to results/infer.json
    python benchmarks/infer.py profile                # the time of each type of node: results/profile.json
    python benchmarks/infer.py graph                  # other graphs for the same model: results/graph.json
    python benchmarks/infer.py ways RUN questions.jsonl   # ways to compress the trained model in folder RUN: results/ways.json
    python benchmarks/infer.py record                 # record the shipped model's scores, which CI compares: after each new model
    python benchmarks/infer.py check                  # compare them

The ways: `ours` is the shipped model through `predict`. `original` is a graph of the shape of distilroberta with random weights, compressed
as the original was (QUInt8, dynamic, no attention mask), with a tokenizer of transformers and a sigmoid of torch, a question at a time.
`pipeline` is the same network as a text-classification pipeline of transformers in PyTorch. `embeddings` is MiniLM in PyTorch, the mean of
its token vectors, and a logistic regression for each tag. All run on generated questions of realistic lengths.

A run is a fresh process. In each round, each way runs once, in turn with the others. A figure is the median of its rounds; `spread` holds the
smallest and the largest. A ratio is calculated in each round, and is the median of those. `cpu` figures are processor time, which depends
less on what else the machine does. `questions_a_second` is for texts cut as each way cuts them: ours at 128 tokens, the others at 512;
`_128` and `_512` are for texts cut at the same length by all.
"""
import argparse,json,logging,re,resource,subprocess,sys,tempfile,time
from importlib.metadata import PackageNotFoundError,distribution
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
RECORDED = HERE.parent/'scifi_tags'/'sites'/'scifi'/'recorded_scores.json'
LENGTHS = 32,128,512
LIMITS = 128,512   # where many texts are cut
REPEATS = {32:40, 128:20, 512:8}
PACKAGES = 'onnxruntime','tokenizers','torch','transformers'

# The ways. Each is made from the folder with what it needs, and has `ask(text)`, `many(texts)`, `limit(tokens)` and
# the limit `n`

class Ours:
    def __init__(self, d):
        from scifi_tags.infer import load_model
        self.model = load_model((d/'model').read_text() or None)
        self.n = self.model.max_length
    def ask(self, text): return self.model.predict(text)
    def many(self, texts): return self.model.predict(texts)
    def limit(self, n):
        self.n = self.model.max_length = n
        self.model.tokenizer.enable_truncation(n)

class Original:
    def __init__(self, d):
        import onnxruntime,torch
        from transformers import AutoTokenizer
        self.torch, self.tokenizer, self.n = torch, AutoTokenizer.from_pretrained(d/'distilroberta'), 512
        self.session = onnxruntime.InferenceSession(str(d/'original.onnx'), providers=['CPUExecutionProvider'])
    def ask(self, text):
        ids = self.tokenizer(text, truncation=True, max_length=self.n)['input_ids']
        p = self.torch.sigmoid(self.torch.FloatTensor(self.session.run(None, {'input_ids':[ids]})[0]))[0]
        return [i for i,x in enumerate(p) if x>=0.5]
    def many(self, texts): return [self.ask(t) for t in texts]
    def limit(self, n): self.n = n

class Pipeline:
    def __init__(self, d):
        from transformers import pipeline
        self.pipe, self.n = pipeline('text-classification', model=str(d/'distilroberta'), top_k=None, function_to_apply='sigmoid', device='cpu'), 512
    def ask(self, text): return self.pipe(text, truncation=True, max_length=self.n)
    def many(self, texts): return self.pipe(texts, truncation=True, max_length=self.n, batch_size=32)
    def limit(self, n): self.n = n

class Embeddings:
    def __init__(self, d):
        import numpy,torch
        from sklearn.linear_model import LogisticRegression   # what a pickled one would import
        from transformers import AutoModel,AutoTokenizer
        from scifi_tags.train import minilm_path
        self.torch, self.n, self.w = torch, 512, numpy.random.default_rng(0).normal(size=(384,160))
        self.model, self.tokenizer = AutoModel.from_pretrained(minilm_path()).eval(), AutoTokenizer.from_pretrained(minilm_path())
    def _some(self, texts):
        x = self.tokenizer(texts, truncation=True, max_length=self.n, padding=True, return_tensors='pt')
        with self.torch.inference_mode():
            m = x['attention_mask'][...,None].float()
            v = (self.model(**x).last_hidden_state*m).sum(1)/m.sum(1)
        return 1/(1+2.718281828**-(v.numpy()@self.w))
    def ask(self, text): return self._some([text])[0]
    def many(self, texts):
        texts = sorted(texts, key=len)
        return [p for i in range(0, len(texts), 32) for p in self._some(texts[i:i+32])]
    def limit(self, n): self.n = n

WAYS = dict(ours=Ours, original=Original, pipeline=Pipeline, embeddings=Embeddings)

def prepare(d):
    "What the ways need: a network of distilroberta's shape with a tokenizer, and its compressed graph"
    import torch,warnings
    from onnxruntime.quantization import QuantType,quantize_dynamic
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig,RobertaForSequenceClassification,RobertaTokenizerFast
    from scifi_tags.starter import Generator
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator((q['title']+' '+q['description'] for q in Generator(seed=5).corpus(3000)), vocab_size=20_000, show_progress=False,
                            special_tokens=['<s>','<pad>','</s>','<unk>','<mask>'])
    (d/'distilroberta').mkdir()
    bpe.save_model(str(d/'distilroberta'))
    RobertaTokenizerFast.from_pretrained(str(d/'distilroberta'), model_max_length=512).save_pretrained(d/'distilroberta')
    torch.manual_seed(0)
    model = RobertaForSequenceClassification(RobertaConfig(vocab_size=50265, num_hidden_layers=6, max_position_embeddings=514, type_vocab_size=1, num_labels=160)).eval()
    model.save_pretrained(d/'distilroberta')
    class Logits(torch.nn.Module):
        def __init__(self): super().__init__(); self.model = model
        def forward(self, input_ids): return self.model(input_ids=input_ids).logits
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.onnx.export(Logits(), (torch.full((1,16), 5),), str(d/'fp32.onnx'), input_names=['input_ids'], output_names=['output'],
                          dynamic_axes=dict(input_ids={0:'batch',1:'length'}, output={0:'batch'}), opset_version=17, dynamo=False)
    quantize_dynamic(str(d/'fp32.onnx'), str(d/'original.onnx'), weight_type=QuantType.QUInt8)
    (d/'fp32.onnx').unlink()

# What a fresh process does

def peak_mb(): return int(re.search(r'VmHWM:\s*(\d+)', Path('/proc/self/status').read_text())[1])/1024

def timed(f, *args):
    "Seconds and seconds of processor time of a call"
    wall,cpu = time.perf_counter(),time.process_time()
    f(*args)
    return time.perf_counter()-wall, time.process_time()-cpu

def first_job(model, texts):
    "Memory after the first answer"
    model.ask('Why did Batman do so much better in his second fight with Bane?')
    return dict(peak_mb=peak_mb())

def latency_job(model, texts):
    "Milliseconds for one text, at each length: the median of some calls"
    res, long = {}, ' '.join(texts[:40])
    for n in LENGTHS:
        model.limit(n)
        model.ask(long)
        wall,cpu = zip(*(timed(model.ask, long) for _ in range(REPEATS[n])))
        res |= {f'ms_{n}':median(wall)*1e3, f'cpu_ms_{n}':median(cpu)*1e3}
    return res

def many_job(model, texts):
    "Questions a second when there are many, cut as the way does it and at each of the limits"
    own, res = model.n, {}
    for n in LIMITS:
        model.limit(n)
        model.many(texts[:20])
        wall,cpu = timed(model.many, texts)
        res |= {f'questions_a_second_{n}':len(texts)/wall, f'questions_a_cpu_second_{n}':len(texts)/cpu}
    return {f'questions_a_{k}':res[f'questions_a_{k}_{own}'] for k in ('second','cpu_second')} | res | dict(peak_mb_many=peak_mb())

JOBS = dict(first=first_job, latency=latency_job, many=many_job)

def child(way, folder, job):
    d = Path(folder)
    texts = json.loads((d/'texts.json').read_text()) if job!='first' else None
    print(json.dumps(JOBS[job](WAYS[way](d), texts)), flush=True)

def run(way, d, job):
    "The figures that a fresh process prints; for the first answer, with its seconds from the start and its processor time"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    p = subprocess.Popen([sys.executable, __file__, 'child', way, str(d), job], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line, wall = p.stdout.readline(), time.perf_counter()-start
    err = p.communicate()[1]
    if p.returncode: sys.exit(f'{way}, {job}: {err[-2000:]}')
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    res = json.loads(line)
    if job!='first': return res
    return dict(cold_start_s=wall, cold_start_cpu_s=after.ru_utime+after.ru_stime-before.ru_utime-before.ru_stime, peak_mb=res['peak_mb'])

# Sizes

def installed_mb(*names):
    "Megabytes of packages and of all that they require"
    todo, size = list(names), {}
    for name in todo:
        name = re.sub(r'[-_.]+', '-', name).lower()
        if name in size: continue
        try: d = distribution(name)
        except PackageNotFoundError: continue
        size[name] = sum(f.locate().stat().st_size for f in d.files or [] if f.locate().is_file())
        todo += [re.match(r'[\w.-]+', r)[0] for r in d.requires or [] if 'extra ==' not in r]
    return sum(size.values())/1e6

# Many at once

def stress(seconds, model=None):
    "32 threads, then 8 processes, that ask for some seconds; answers must be as alone, and memory flat"
    import multiprocessing,threading
    from scifi_tags.infer import predict_proba
    from scifi_tags.starter import Generator
    texts = [q['title']+'\n'+q['description'] for q in Generator(seed=6).corpus(60)]
    alone = [predict_proba(t, model) for t in texts]
    rss = lambda: int(re.search(r'VmRSS:\s*(\d+)', Path('/proc/self/status').read_text())[1])/1024
    def work(i, asked, end):
        while time.time()<end:
            j = (i*7+asked[i])%len(texts)
            assert (predict_proba(texts[j], model)==alone[j]).all(), 'another answer than alone'
            asked[i] += 1
    def threads(n, seconds):
        asked, memory, end = [0]*n, [], time.time()+seconds
        ts = [threading.Thread(target=work, args=(i,asked,end)) for i in range(n)]
        for t in ts: t.start()
        while time.time()<end:
            time.sleep(seconds/20)
            memory.append(rss())
        for t in ts: t.join()
        assert min(asked)>0
        return dict(answers=sum(asked), mb_at_a_quarter=round(memory[len(memory)//4]), mb_at_end=round(memory[-1]))
    res = dict(threads=threads(32, seconds))
    def process(queue): queue.put(threads(1, seconds))
    fork = multiprocessing.get_context('fork')
    queue = fork.Queue()
    ps = [fork.Process(target=process, args=(queue,)) for _ in range(8)]
    for p in ps: p.start()
    found = [queue.get(timeout=seconds*4+60) for _ in ps]
    for p in ps: p.join()
    res['processes'] = dict(answers=sum(f['answers'] for f in found), mb_at_a_quarter=max(f['mb_at_a_quarter'] for f in found), mb_at_end=max(f['mb_at_end'] for f in found))
    return dict(seconds=seconds, **res)

# The recorded scores

def recorded_texts():
    from scifi_tags.starter import Generator
    return [f'{q["title"]}\n{q["description"]}'.strip()[:600] for q in Generator(seed=2026).corpus(12)]+['', 'Batman', '🦇 ¿Quién? '*30]

def record():
    "Record the scores of the shipped model, the eight highest of each question"
    from scifi_tags.infer import load_model,model_file
    from scifi_tags.text import write_text
    from hashlib import sha256
    model = load_model()
    rows = [dict(text=t, scores={k: round(v, 5) for k,v in model.predict(t, top=8).items()}) for t in recorded_texts()]
    write_text(RECORDED, json.dumps(dict(model_sha256=sha256((model.path/model_file).read_bytes()).hexdigest(), questions=rows), indent=1)+'\n')
    print(f'{len(rows)} questions -> {RECORDED.name}')

def check():
    "Compare them; a difference that is too large is an error"
    from scifi_tags.infer import check_scores
    print(f'largest difference: {check_scores(RECORDED):.2g}')

# Ways to compress

def ways(run_folder, questions):
    "Size, speed, loss and differences of ways to compress a trained model: a row each"
    import numpy as np,onnx,onnxruntime as ort
    from onnxruntime.quantization import QuantType,quantize_dynamic
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
    from onnxruntime.transformers import optimizer
    from scifi_tags.build import calibration_questions
    from scifi_tags.encoder import load_run
    from scifi_tags.onnx import calibration_ids,parity,predict_onnx
    from scifi_tags.preprocess import multi_hot,prepare,read_table
    from scifi_tags.quantize import export_fp32,fuse,quantize_int8
    from scifi_tags.site import tag_counts
    from scifi_tags.train import question_texts
    logging.disable(logging.WARNING)   # they tell of every node
    model,tokenizer,info = load_run(run_folder)
    vocab = list(tag_counts())
    df = prepare(read_table(questions), vocab)[0]
    y, texts = multi_hot(df.tags, vocab), question_texts(df, info['text'])
    thresholds = np.array([info['thresholds'][t] for t in vocab], np.float32)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        fp32 = export_fp32(model, tmp/'fp32.onnx')
        fused = tmp/'fused.onnx'
        onnx.save(fuse(fp32), fused)
        tool = optimizer.optimize_model(str(fused), 'bert', num_heads=model.config.num_attention_heads, hidden_size=model.config.hidden_size, opt_level=0)
        tool.save_model_to_file(str(tmp/'tool.onnx'))
        quantize_dynamic(str(fp32), str(tmp/'dynamic.onnx'), weight_type=QuantType.QInt8, per_channel=True)
        quantize_dynamic(str(fused), str(tmp/'dynamic-fused.onnx'), weight_type=QuantType.QInt8, per_channel=True, extra_options=dict(DefaultTensorType=onnx.TensorProto.FLOAT))
        q = MatMulNBitsQuantizer(onnx.load(fused), bits=8, block_size=64, is_symmetric=True, accuracy_level=4)
        q.process()
        q.model.save_model_to_file(str(tmp/'weights.onnx'))
        samples = calibration_ids(tokenizer, calibration_questions(), info['max_length'])
        for name,kw in dict(ours={}, plain=dict(powers=(0,), n_apart=0, largest=127), smooth=dict(n_apart=0), seven=dict(largest=63), eight=dict(largest=127)).items():
            quantize_int8(fp32, tmp/f'{name}.onnx', samples, **kw)
        names = {'fp32':'32 bits, as exported', 'fused':'32 bits, fused', 'tool':'32 bits, fused, with SkipLayerNormalization', 'dynamic':'dynamic int8', 'dynamic-fused':'dynamic int8, fused',
                 'weights':'weights alone in 8 bits, fused', 'plain':'static int8', 'smooth':'static int8, smoothed', 'eight':'static int8, smoothed, large channels apart',
                 'seven':'the same with 7-bit weights', 'ours':'the same, safe in pairs (ours)'}
        probs = {k: predict_onnx(tmp/f'{k}.onnx', tokenizer, texts, info['max_length']) for k in names}
        found = {'fp32':dict(max_diff=0., flipped=0, f1_micro_lost=0., f1_macro_lost=0.), **parity(probs, y, thresholds)}
        return [dict(way=names[k], mb=round((tmp/f'{k}.onnx').stat().st_size/1e6, 1), **{f'cpu_ms_{n}':round(t, 1) for n,t in graph_times(tmp/f'{k}.onnx').items()},
                     **{m: round(v, 4) for m,v in found[k].items()}) for k in names]

def one_thread(path, profile=None):
    "A session of an ONNX file on one thread, optimized when it is loaded; with a `profile`, as prediction makes it"
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    if profile:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.enable_profiling, options.profile_file_prefix = True, str(profile)
    return ort.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])

def random_tokens(n):
    import numpy as np
    x = np.random.default_rng(0).integers(1000, 20000, (1,n))
    return dict(input_ids=x, attention_mask=np.ones_like(x))

def graph_times(path):
    "Milliseconds of processor time of a graph on one thread, at each length"
    session, res = one_thread(path), {}
    for n in LENGTHS: res[n] = median([turn(session, random_tokens(n)) for _ in range(REPEATS[n])])
    return res

def turn(session, x):
    "Milliseconds of processor time of one run"
    start = time.thread_time()
    session.run(None, x)
    return (time.thread_time()-start)*1e3

# Where the time goes

def profile(model=None, runs=100):
    "Microseconds and share of each type of node of the graph, on one thread at 32 and 128 tokens: medians of `runs` runs"
    from collections import defaultdict
    from scifi_tags.infer import load_model,model_file
    res = defaultdict(dict)
    for n in LENGTHS[:2]:
        with tempfile.TemporaryDirectory() as d:
            session = one_thread(load_model(model).path/model_file, Path(d)/'profile')
            for _ in range(runs): session.run(None, random_tokens(n))
            events = json.loads(Path(session.end_profiling()).read_text())
        times = defaultdict(list)
        for e in events:
            if e.get('cat')!='Node' or not e['name'].endswith('_kernel_time') or e['args']['op_name']=='If': continue   # an If holds the others
            times[e['args']['op_name'],e['name']].append(e['dur'])
        for (op,_),ts in times.items(): res[op][n] = res[op].get(n, 0)+median(ts)*len(ts)/runs   # nodes of branches share a name
    total = {n: sum(o.get(n, 0) for o in res.values()) for n in LENGTHS[:2]}
    def row(op, n): return {f'us_{n}': round(res[op].get(n, 0)), f'percent_{n}': round(100*res[op].get(n, 0)/total[n], 1)}
    rows = [dict(node=op, **row(op, 32), **row(op, 128)) for op in res]
    return sorted(rows, key=lambda r: -r['percent_32'])

def around(model=None, runs=200):
    "Microseconds of processor time of the steps of `predict` for one question of about 32 tokens: medians of `runs` runs"
    from scifi_tags.infer import _run,_sigmoid,load_model
    from scifi_tags.starter import Generator
    from scifi_tags.text import clean_plain
    model = load_model(model)
    texts = [q['title']+'\n'+q['description'] for q in Generator(seed=9).corpus(300)]
    text = min(texts, key=lambda t: abs(len(model._encode(t))-32))
    ids, session = model._encode(text), model._session(1)
    logits = _run(session, [ids])
    steps = dict(predict=lambda: model.predict(text), clean=lambda: clean_plain(text), tokenize=lambda: model.tokenizer.encode(text),
                 graph=lambda: _run(session, [ids]), scores=lambda: model.choose(_sigmoid(logits)[0]))
    ts = {k:[] for k in steps}
    for _ in range(runs):
        for k,f in steps.items(): ts[k].append(timed(f)[1])
    return dict(tokens=len(ids), **{k: round(median(v)*1e6) for k,v in ts.items()})

# The comparison

BETTER_HIGH = 'questions_a_'

def short(x): return round(x) if x>=100 else float(f'{x:.3g}')

def summary(runs):
    "Median of the figures in `runs`, a dict each, and their spread"
    values = {k: [r[k] for r in runs] for k in runs[0]}
    return {**{k: short(median(v)) for k,v in values.items()}, 'spread': {k: [short(min(v)),short(max(v))] for k,v in values.items()}}

def times_as_good(ours, other):
    "How many times as fast, or as small, `ours` is, in each figure of one round"
    return {k: ours[k]/other[k] if k.startswith(BETTER_HIGH) else other[k]/ours[k] for k in ours}

def one_round(d, i):
    "The figures of each way, from fresh processes in turn; every other round in the other order"
    found = {w:{} for w in WAYS}
    for job in JOBS:
        for w in list(WAYS)[::-1 if i%2 else 1]: found[w] |= run(w, d, job)
    return found

def model_sizes(d, model):
    "Megabytes of each way's model, and of all that must be installed for it"
    from scifi_tags.infer import load_model
    artifact = sum(f.stat().st_size for f in load_model(model).path.iterdir())/1e6
    torch_mb, mb = installed_mb('torch','transformers'), lambda *names: d.joinpath(*names).stat().st_size/1e6
    res = dict(ours=(artifact, installed_mb('numpy','onnxruntime','tokenizers','fastcore')+artifact),
               original=(mb('original.onnx'), installed_mb('torch','transformers','onnxruntime')+mb('original.onnx')),
               pipeline=(m:=mb('distilroberta','model.safetensors'), torch_mb+m),
               embeddings=(91, installed_mb('torch','transformers','scikit-learn')+91))
    return {w: dict(model_mb=round(a, 1), installed_mb=round(b)) for w,(a,b) in res.items()}

def compare(n, rounds, model=None):
    "`(rows, ratios)`: the figures of each way, and for each other way the ratios of ours to it"
    from scifi_tags.starter import Generator
    with tempfile.TemporaryDirectory() as d:
        d = Path(d)
        prepare(d)
        (d/'model').write_text(model or '')
        (d/'texts.json').write_text(json.dumps([q['title']+'\n'+q['description'] for q in Generator(seed=9).corpus(n)]))
        found, size = [one_round(d, i) for i in range(rounds)], model_sizes(d, model)
    rows = [dict(way=w, **size[w], **summary([f[w] for f in found])) for w in WAYS]
    ratios = [dict(way=w, **{k: round(size[w][k]/size['ours'][k], 2) for k in size[w]},
                   **summary([times_as_good(f['ours'], f[w]) for f in found])) for w in WAYS if w!='ours']
    return rows, ratios

def table(rows, ratios):
    vs = next(r for r in ratios if r['way']=='original')
    print(f'| {"":<28} | '+' | '.join(f'{r["way"]:>12}' for r in rows)+' | vs original (smallest to largest)')
    for k in rows[0]:
        if k in ('way','spread'): continue
        low,high = vs['spread'].get(k, (vs[k],vs[k]))
        print(f'| {k:<28} | '+' | '.join(f'{r[k]:>12,}' for r in rows)+f' | {vs[k]:.1f} ({low:.1f} to {high:.1f})')

# Commands

def run_compare(args):
    from saving import load,save   # not in the processes whose start is measured
    rows,ratios = compare(args.n, args.rounds, args.model)
    more = {k:v for k,v in load(args.out).items() if k=='stress'}
    note = (f'Each figure is the median of {args.rounds} rounds; {args.n:,} generated questions for the figures of many. '
            'As shipped, our model reads 128 tokens of a text, where the others read 512; figures at a length are for texts cut there by all.')
    save(args.out, rows, note, PACKAGES, **more, ratios=ratios, rounds=args.rounds)
    table(rows, ratios)

def run_stress(args):
    from saving import update
    found = stress(args.seconds, args.model)
    update(args.out, ('onnxruntime',), stress=found)
    print(found)

def run_profile(args):
    from saving import save
    rows, steps = profile(args.model, args.runs), around(args.model)
    save('profile', rows, 'One thread; the sum of the medians of all nodes of a type.', ('onnxruntime','tokenizers'), around=steps)
    print(steps)
    for r in rows: print(f'{r["node"]:24}'+''.join(f'{r[f"us_{n}"]:8} us {r[f"percent_{n}"]:5} %' for n in LENGTHS[:2]))

def run_graph(args):
    from graphs import measure
    from saving import save
    rows = measure(args.model, args.rounds, args.questions)
    save('graph', rows, 'One thread, processor time, relative to the graph of the first row, in turn in one process: '
         f'medians of {args.rounds} rounds. Differences on {args.questions:,} generated questions.', ('onnxruntime',), rounds=args.rounds)
    for r in rows: print(r)

def run_ways(args):
    from saving import save
    rows = ways(args.run, args.file)
    save('ways', rows, packages=('onnxruntime',))
    for r in rows: print(r)

def run_record(args): record()
def run_check(args): check()
def run_child(args): child(args.way, args.folder, args.job)

def make_parser():
    "The commands and their parameters"
    parser = argparse.ArgumentParser(description='Measure `predict`, and compare it with other ways.')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    def add(name, do, about, *params):
        kw = dict(help=about) if about else {}   # without one it is hidden
        p = commands.add_parser(name, description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter, **kw)
        for flag,kw in params: p.add_argument(flag, **kw)
        p.set_defaults(do=do)
    def number(flag, default, about): return flag, dict(type=int, default=default, metavar='N', help=about)
    model = '--model', dict(metavar='FOLDER', help='artifact to use instead of the shipped one')
    out = '--out', dict(default='infer', metavar='NAME', help='file in results/, without .json')
    add('compare', run_compare, 'Compare `predict` with other ways', number('--n', 2000, 'questions for the figures of many'),
        number('--rounds', 5, 'rounds, each of fresh processes'), model, out)
    add('stress', run_stress, 'Ask from 32 threads, then from 8 processes', number('--seconds', 60, 'seconds for each'), model, out)
    add('profile', run_profile, 'Time of each type of node of the graph', number('--runs', 100, 'runs at each length'), model)
    add('graph', run_graph, 'Time other graphs for the same model', number('--rounds', 25, 'rounds, in each of which all graphs run in turn'),
        number('--questions', 200, 'generated questions to compare scores on'), model)
    add('ways', run_ways, 'Compare ways to compress a trained model', ('run', dict(help='folder of the trained model')),
        ('file', dict(help='file of real questions')))
    add('record', run_record, "Record the shipped model's scores")
    add('check', run_check, "Compare the shipped model's scores with the recorded ones")
    # for the processes that `compare` starts
    add('child', run_child, '', ('way', dict(choices=list(WAYS))), ('folder', {}), ('job', dict(choices=list(JOBS))))
    return parser

if __name__=='__main__':
    args = make_parser().parse_args()
    args.do(args)
