"Other graphs for the same model, which `infer.py graph` measures: what made prediction faster, and what didn't"
import statistics,time

import numpy as np,onnx,onnxruntime as ort
from onnx.helper import make_attribute,make_node

from scifi_tags.quantize import _copy,_Graph,_skip_masks,_with_outputs

MS = 'com.microsoft'

def of_type(g, op): return [n for n in g.nodes if n.op_type==op]

def _copy_node(n):
    res = onnx.NodeProto()
    res.CopyFrom(n)
    return res

def attr(node, name): return next(a for a in node.attribute if a.name==name)

def use_instead(g, old, new):
    "Let all nodes use the value `new` instead of `old`"
    for n in g.users.get(old, []): n.input[:] = [new if i==old else i for i in n.input]
    g.index()

# Each of these changes a graph in place

def plain(g):
    "As it was before: always with a mask, and a bias and its GELU as one node"
    for n in of_type(g, 'If'):
        node = _copy_node(attr(n, 'else_branch').g.node[0])
        node.output[0] = n.output[0]
        g.replace([n], [node])
    for n in of_type(g, 'Gelu'):
        product = g.made[n.input[0]]
        n.op_type = 'BiasGelu'
        n.input.append(product.input[6])
        del product.input[6]
    g.prune()

def bias_in_product(g, op='Gelu', **attrs):
    for n in of_type(g, 'BiasGelu'):
        product, bias = g.made[n.input[0]], n.input[1]
        product.input.extend(['']*(6-len(product.input))+[bias]) if len(product.input)<7 else product.input.__setitem__(6, bias)
        g.replace([n], [make_node(op, [n.input[0]], list(n.output), domain=MS, **attrs)])

def fast_gelu(g):
    for n in of_type(g, 'BiasGelu'): n.op_type = 'FastGelu'

def quick_gelu(g): bias_in_product(g, 'QuickGelu', alpha=1.702)

def both(g):
    bias_in_product(g)
    _skip_masks(g)

def joined(g, ps, out):
    "Weights, scales and biases of three products side by side"
    cat = lambda i, rows=1: np.concatenate([g.array(p.input[i]).reshape(rows, -1) for p in ps], 1)
    rows = g.array(ps[0].input[1]).shape[0]
    return [g.add(out+'_'+k, a) for k,a in dict(w=cat(1, rows), s=cat(3)[0], b=cat(6)[0]).items()]

def q_attention(g):
    for n in of_type(g, 'MultiHeadAttention'):
        ps, out = [g.made[i] for i in n.input[:3]], n.output[0]
        (w,s,b), p = joined(g, ps, out), ps[0]
        args = [p.input[0],w,b,p.input[2],s,n.input[4],p.input[4],p.input[5]]
        g.replace([*ps,n], [make_node('QAttention', args, [out], domain=MS, num_heads=attr(n, 'num_heads').i)])
    mask = _copy_node(g.made['padding'])
    g.nodes.remove(g.made['padding'])
    g.nodes.insert(0, mask)   # before the first attention, which has moved up
    g.index()
    g.prune()
    bias_in_product(g)

def one_product(g):
    for n in of_type(g, 'MultiHeadAttention'):
        ps, out = [g.made[i] for i in n.input[:3]], n.output[0]
        (w,s,b), p = joined(g, ps, out), ps[0]
        g.replace(ps, [make_node('MatMulIntegerToFloat', [p.input[0],w,p.input[2],s,p.input[4],p.input[5],b], [out+'_qkv'], domain=MS),
                       make_node('Split', [out+'_qkv'], [o.output[0] for o in ps], axis=-1)])
    g.prune()
    both(g)

def scaled_values(g):
    for n in of_type(g, 'MultiHeadAttention'):
        mul, v = next(u for u in g.users[n.output[0]] if u.op_type=='Mul'), g.made[n.input[2]]
        for i in 3,6: v.input[i] = g.add(v.input[i]+'_even', g.array(v.input[i]).reshape(-1)*g.array(mul.input[1]))
        use_instead(g, mul.output[0], n.output[0])
    g.prune()
    both(g)

def one_table(g):
    first = next(n for n in g.nodes if n.op_type=='Add')
    second = g.users[first.output[0]][0]
    words,*rest = *first.input, *(i for i in second.input if i!=first.output[0])
    x = np.ones((1,512), np.int64)
    table = g.add('positions', sum(_with_outputs(g.model, rest).run(rest, dict(input_ids=x, attention_mask=x)))[0])
    zero = g.add('zeroth', np.array([0]))
    g.replace([second], [make_node('Shape', ['input_ids'], ['n_tokens'], start=1, end=2),
                         make_node('Slice', [table,zero,'n_tokens',zero], ['some']),
                         make_node('Add', [words,'some'], list(second.output))])
    g.prune()
    both(g)

def sum_of_three(g):
    for n in [n for n in of_type(g, 'Add') if n.input[0].endswith('_main')]:
        add = g.users[n.output[0]][0]
        g.replace([n,add], [make_node('Sum', [next(i for i in add.input if i!=n.output[0]),*n.input], list(add.output))])
    both(g)

def skip_norm(g):
    for n in of_type(g, 'LayerNormalization'):
        add = g.made[n.input[0]]
        if add.op_type!='Add': continue
        kw = dict(domain=MS, epsilon=attr(n, 'epsilon').f)
        g.replace([add,n], [make_node('SkipLayerNormalization', [*add.input,*n.input[1:3]], list(n.output), **kw)])
    g.prune()
    both(g)

def grid_per_channel(g):
    for n in of_type(g, 'QuantizeLinear'):
        mul = g.made[n.input[0]]
        if mul.op_type!='Mul': continue
        s = g.array(n.input[1])/g.array(mul.input[1])
        zeros = np.full(len(s), g.array(n.input[2]))
        n.input[:] = [mul.input[0], g.add(n.input[1]+'_each', s.astype(np.float32)), g.add(n.input[2]+'_each', zeros)]
        n.attribute.append(make_attribute('axis', -1))
    g.index()
    g.prune()
    both(g)

GRAPHS = {'before': lambda g: None, 'bias in the product, then GELU': bias_in_product, 'mask only with padding': _skip_masks,
          'both (ours)': both,
          'ours, scales of attention in its values': scaled_values, 'ours, positions and token types in one table': one_table,
          'ours, query, key and value in one product': one_product, 'ours, a sum of three': sum_of_three,
          'ours, QAttention': q_attention, 'ours, SkipLayerNormalization': skip_norm, 'ours, a grid per channel': grid_per_channel,
          'FastGelu': fast_gelu, 'QuickGelu': quick_gelu}
OPTIONS = {'ours, optimized again when loaded': dict(graph_optimization_level=ort.GraphOptimizationLevel.ORT_ENABLE_ALL),
           'ours, no arena': dict(enable_cpu_mem_arena=False), 'ours, no memory pattern': dict(enable_mem_pattern=False)}

def session(model, **kw):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    for k,v in kw.items(): setattr(options, k, v)
    off = ['SkipLayerNormFusion'] if kw else []
    return ort.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'], disabled_optimizers=off)

def sessions(path):
    "A session for each of the graphs, made from the one at `path`"
    first, res = _Graph(onnx.load(path)), {}
    plain(first)
    for name,change in GRAPHS.items():
        g = _Graph(_copy(first.model))
        change(g)
        res[name] = session(g.model)
        if name=='both (ours)': ours = g.model
    return res | {name: session(ours, **kw) for name,kw in OPTIONS.items()}

def in_turn(found, n, rounds, repeats):
    "Milliseconds of processor time of each session in each round: shape (rounds, sessions)"
    x, res = np.random.default_rng(0).integers(1000, 20000, (1,n)), []
    feed, names = dict(input_ids=x, attention_mask=np.ones_like(x)), list(found)
    for i in range(rounds):
        times = {}
        for name in np.random.default_rng(i).permutation(names):
            ts = []
            for _ in range(repeats+1):
                start = time.thread_time()
                found[name].run(None, feed)
                ts.append((time.thread_time()-start)*1e3)
            times[name] = statistics.median(ts[1:])   # the first one brings the weights into the cache
        res.append([times[name] for name in names])
    return np.array(res)

def scores(found, model, n):
    "Probabilities of `n` generated questions, from each session"
    from scifi_tags.infer import _run,_sigmoid
    from scifi_tags.starter import Generator
    ids = [model._encode(q['title']+'\n'+q['description']) for q in Generator(seed=17).corpus(n)]
    return {k: np.concatenate([_sigmoid(_run(s, [o])) for o in ids]) for k,s in found.items()}

def measure(folder=None, rounds=15, questions=300):
    "A row for each graph: milliseconds, the ratio to the first with its spread, and how far the scores differ"
    from scifi_tags.infer import load_model,model_file
    model = load_model(folder)
    found = sessions(model.path/model_file)
    times = {n: in_turn(found, n, rounds, repeats) for n,repeats in {32:8, 128:4}.items()}
    probs = scores(found, model, questions)
    first, res = next(iter(probs.values())), []
    for j,name in enumerate(found):
        row = dict(graph=name)
        for n,t in times.items():
            ratio = t[:,j]/t[:,0]
            low,high = np.quantile(ratio, [.25,.75])
            row |= {f'cpu_ms_{n}': round(float(np.median(t[:,j])), 2), f'ratio_{n}': round(float(np.median(ratio)), 3),
                    f'middle_half_{n}': f'{low:.3f} to {high:.3f}'}
        p = probs[name]
        flipped = ((p>=model.thresholds)!=(first>=model.thresholds)).sum()
        res.append(row | dict(max_diff=round(float(abs(p-first).max()), 4), flipped=int(flipped)))
    return res
