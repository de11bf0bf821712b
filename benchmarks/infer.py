"""How fast, how large and how steady `predict` is, beside the original's way and beside what one would pick instead: writes
benchmarks/results/infer.json.

    python benchmarks/infer.py                     # about 20 minutes on 2 cores, in a clone with the `train` and `dev` extras, on Linux
    python benchmarks/infer.py --n 300 --stress 5  # a quick look
    python benchmarks/infer.py --record            # record the shipped model's scores, which CI compares: after each new model
    python benchmarks/infer.py --check             # compare them
    python benchmarks/infer.py --ways RUN --questions questions.jsonl   # ways to compress the trained model in folder RUN: results/ways.json

The ways: `ours` is the shipped model through `predict`. `original` is a graph of the shape of distilroberta with random weights, compressed
as the original was (QUInt8, dynamic, no attention mask), with a tokenizer of transformers and a sigmoid of torch, a question at a time.
`pipeline` is the same network as a text-classification pipeline of transformers in PyTorch. `embeddings` is MiniLM in PyTorch, the mean of
its token vectors, and a logistic regression for each tag. All run on generated questions of realistic lengths. Each way runs in fresh
processes, in turn with the others. `cpu` figures are processor time, which does not depend on what else the machine does.
"""
import json,logging,re,resource,subprocess,sys,tempfile,time
from importlib.metadata import PackageNotFoundError,distribution
from pathlib import Path

from fastcore.script import call_parse

HERE = Path(__file__).parent
RECORDED = HERE.parent/'scifi_tags'/'sites'/'scifi'/'recorded_scores.json'
LENGTHS = 32,128,512
PACKAGES = 'onnxruntime','tokenizers','torch','transformers'

# The ways. Each is made from the folder with what it needs, and gives `ask(text)` and `limit(tokens)`

class Ours:
    def __init__(self, d):
        from scifi_tags.infer import load_model
        self.model = load_model((d/'model').read_text() or None)
    def ask(self, text): return self.model.predict(text)
    def many(self, texts): return self.model.predict(texts)
    def limit(self, n):
        self.model.max_length = n
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
    def many(self, texts): return self.pipe(texts, truncation=True, max_length=512, batch_size=32)
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

def median(xs): return sorted(xs)[len(xs)//2]

def child(way, d, job):
    d = Path(d)
    texts = json.loads((d/'texts.json').read_text()) if job!='first' else None
    model = WAYS[way](d)
    if job=='first': res = dict(answer=str(model.ask('Why did Batman do so much better in his second fight with Bane?'))[:40], mb=peak_mb())
    elif job=='latency':
        res, long = {}, ' '.join(texts[:40])
        for n in LENGTHS:
            model.limit(n)
            model.ask(long)
            wall, cpu = [], []
            for _ in range({32:40,128:20,512:8}[n]):
                w,c = time.perf_counter(),time.process_time()
                model.ask(long)
                wall.append(time.perf_counter()-w)
                cpu.append(time.process_time()-c)
            res[n] = dict(ms=median(wall)*1e3, cpu_ms=median(cpu)*1e3)
    else:
        w,c = time.perf_counter(),time.process_time()
        model.many(texts[:int(job)])
        res = dict(seconds=time.perf_counter()-w, cpu_seconds=time.process_time()-c, mb=peak_mb())
    print(json.dumps(res), flush=True)

def run(way, d, job):
    "What a fresh process says, its seconds to the answer and its processor time"
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    p = subprocess.Popen([sys.executable, __file__, '--child', json.dumps([way,str(d),job])], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line, wall = p.stdout.readline(), time.perf_counter()-start
    err = p.communicate()[1]
    if p.returncode: sys.exit(f'{way}, {job}: {err[-2000:]}')
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return dict(json.loads(line), wall=wall, cpu=after.ru_utime+after.ru_stime-before.ru_utime-before.ru_stime)

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

def graph_times(path):
    "Milliseconds of processor time of a graph on one thread, at each length"
    import numpy as np,onnxruntime as ort
    options, res = ort.SessionOptions(), {}
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = ort.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])
    for n in LENGTHS:
        x, ts = np.random.default_rng(0).integers(1000, 20000, (1,n)), []
        for _ in range({32:40,128:20,512:8}[n]):
            t = time.thread_time()
            session.run(None, dict(input_ids=x, attention_mask=np.ones_like(x)))
            ts.append(time.thread_time()-t)
        res[n] = median(ts)*1e3
    return res

# The whole

def figures(n, rounds, model):
    "The comparison: `{way: {figure: number}}`"
    from scifi_tags.infer import load_model
    from scifi_tags.starter import Generator
    with tempfile.TemporaryDirectory() as d:
        d = Path(d)
        prepare(d)
        (d/'model').write_text(model or '')
        (d/'texts.json').write_text(json.dumps([q['title']+'\n'+q['description'] for q in Generator(seed=9).corpus(n)]))
        first, latency, many = ({w:[] for w in WAYS} for _ in range(3))
        for _ in range(rounds):
            for w in WAYS:
                first[w].append(run(w, d, 'first'))
                latency[w].append(run(w, d, 'latency'))
        for w in WAYS: many[w].append(run(w, d, str(n)))
        res = {}
        for w in WAYS:
            res[w] = {f'{m}_{l}': round(median([o[str(l)][m] for o in latency[w]]), 2) for m in ('ms','cpu_ms') for l in LENGTHS}
            res[w] |= dict(questions_a_second=round(n/many[w][0]['seconds'], 1), questions_a_cpu_second=round(n/many[w][0]['cpu_seconds'], 1),
                           cold_start_s=round(median([o['wall'] for o in first[w]]), 2), cold_start_cpu_s=round(median([o['cpu'] for o in first[w]]), 2),
                           peak_mb=round(median([o['mb'] for o in first[w]])), peak_mb_many=round(many[w][0]['mb']))
        artifact = sum(f.stat().st_size for f in load_model(model).path.iterdir())/1e6
        torch_mb = installed_mb('torch','transformers')
        size = dict(ours=(artifact, installed_mb('numpy','onnxruntime','tokenizers','fastcore')+artifact),
                    original=((d/'original.onnx').stat().st_size/1e6, installed_mb('torch','transformers','onnxruntime')+(d/'original.onnx').stat().st_size/1e6),
                    pipeline=((m:=(d/'distilroberta'/'model.safetensors').stat().st_size/1e6), torch_mb+m), embeddings=(91, installed_mb('torch','transformers','scikit-learn')+91))
        for w,(model,total) in size.items(): res[w] |= dict(model_mb=round(model, 1), installed_mb=round(total))
    return res

BETTER_HIGH = 'questions_a_second','questions_a_cpu_second'

def ratio(res, k, w):
    a,b = res['ours'][k],res[w][k]
    return a/b if k in BETTER_HIGH else b/a

def table(res):
    print(f'| {"":<24} | '+' | '.join(f'{w:>12}' for w in res)+' | vs original |')
    for k in res['ours']: print(f'| {k:<24} | '+' | '.join(f'{res[w][k]:>12,}' for w in res)+f' | {ratio(res, k, "original"):>10.1f}x |')

@call_parse
def main(
    n:int=10_000,     # Questions to answer for the figure of many
    rounds:int=3,     # Fresh processes for each other figure, of which the median counts
    stress_s:int=60,  # Seconds that 32 threads, and then 8 processes, ask at once; 0 for none
    model:str=None,   # Folder of the model, instead of the shipped one
    record:bool=False, # Record the scores of the shipped model instead
    check:bool=False,  # Compare the scores of the shipped model with the recorded ones instead
    ways:str=None,    # Compare ways to compress the trained model in this folder instead
    questions:str=None, # File of real questions, for --ways
    child:str=None    # For the processes that this starts
):
    "Measure `predict` beside other ways"
    me = globals()
    if child: return me['child'](*json.loads(child))
    if record: return me['record']()
    if check: return me['check']()
    from saving import save   # not in the processes whose start is measured
    if ways:
        found = me['ways'](ways, questions)
        save('ways', found, packages=('onnxruntime',))
        for r in found: print(r)
        return
    res, more = figures(n, rounds, model), dict(stress=stress(stress_s, model)) if stress_s else {}
    save('infer', [dict(way=w, **o) for w,o in res.items()], f'{n:,} generated questions for the figures of many.', PACKAGES, **more)
    table(res)
    print(*more.values())
