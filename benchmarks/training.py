"""What each choice in the making of the shipped model brings, one change at a time: writes benchmarks/results/training.json.

    python benchmarks/training.py questions.jsonl --work runs/build

The folder is the work folder of a finished `scifi_build questions.jsonl`. Every score is cross-validated on the real questions, with
thresholds from the other folds. Changes of the head are tried on the finished model; changes of the training on a third of the starter
corpus, for one epoch, each from the same start. The latter take some minutes each; --only names some of them. A change that has been
measured on the same data is not measured again.
"""
import json,platform,random
from pathlib import Path

import numpy as np
import torch
from fastcore.script import call_parse
from torch import nn
from tqdm.auto import tqdm

from scifi_tags.build import PULL,REMINDER_WEIGHT,TUNE,cross_validate,fit_head,head_data,starter_data
from scifi_tags.evaluate import decide,fold_thresholds,rank_scores,set_scores
from scifi_tags.preprocess import folds,multi_hot,prepare,read_questions
from scifi_tags.starter import tag_counts
from scifi_tags.text import write_text
from scifi_tags.train import data_digest,fit_stages,load_model,load_run,make_dls,make_learner,minilm_path,predict_torch,question_texts

OUT = Path(__file__).parent/'results'/'training.json'
VOCAB = list(tag_counts())

def scores(y, p, fold, **kw):
    "What is compared; `kw` for `choose_thresholds`"
    res = {**set_scores(y, decide(p, fold_thresholds(y, p, fold, **kw))), **rank_scores(y, p)}
    return {k: round(float(res[k]), 4) for k in ('f1_micro','f1_macro_present','precision_at_1')}

def fit(head, x, y, weight, pull, fold):
    p = torch.zeros(len(fold), y.shape[1])
    n = len(fold)
    for i in np.unique(fold):
        keep = np.concatenate([fold!=i, fold!=i, np.ones(len(x)-2*n, bool)])
        p[fold==i] = fit_head(head, x[keep], y[keep], weight[keep], pull)(x[:n][fold==i]).sigmoid()
    return p.numpy()

def head_variants(work, real, starter, fold):
    "`(group, change, scores)` for what can be tried without training"
    y = multi_hot(real.tags, VOCAB)
    for name in 'seed42','seed43','starter':
        model,tokenizer,info = load_run(work/name)
        p = predict_torch(model, tokenizer, question_texts(real, 'both'), info['max_length'])
        yield 'starter corpus only', {'starter':'mean of both seeds'}.get(name, f'one run, seed {name[4:]}'), scores(y, p, fold)
    for text in 'title','description':
        yield 'what is read', f'{text} only', scores(y, predict_torch(model, tokenizer, question_texts(real, text), info['max_length']), fold)
    for n in 64,256: yield 'what is read', f'title and body, {n} tokens', scores(y, predict_torch(model, tokenizer, question_texts(real, 'both'), n), fold)
    data, head = head_data(work/'starter', real, starter, VOCAB), model.head
    x, t = (torch.cat([data[k][i] for k in ('both','title','reminders')]) for i in (0,1))
    def weights(title, reminders): return torch.cat([torch.ones(len(real)), torch.full((len(real),), title), torch.full((len(x)-2*len(real),), reminders)])
    usual = weights(1., REMINDER_WEIGHT)
    best = cross_validate(head, data, fold)
    yield 'head on real questions', 'as shipped', scores(y, best, fold)
    for pull in .003,.01,.03,.3: yield 'head on real questions', f'pull {pull} instead of {PULL}', scores(y, fit(head, x, t, usual, pull, fold), fold)
    for w in .01,.3,1.: yield 'head on real questions', f'reminders weigh {w} instead of {REMINDER_WEIGHT}', scores(y, fit(head, x, t, weights(1., w), PULL, fold), fold)
    yield 'head on real questions', 'each real question once, with its body', scores(y, fit(head, x, t, weights(0., REMINDER_WEIGHT), PULL, fold), fold)
    for shrink,name in ((0,'each tag its own'),(10,'shrunk less (10)'),(160,'shrunk more (160)'),(1e9,'one for all tags')): yield 'thresholds', name, scores(y, best, fold, shrink=shrink)

class Focal(nn.Module):
    "Binary cross-entropy that counts what is right already less (Lin et al. 2017), `gamma` of absent tags by itself (asymmetric: Ridnik et al. 2021)"
    def __init__(self, present=1., absent=1.): super().__init__(); self.present, self.absent = present, absent
    def forward(self, logits, targ):
        p, bce = logits.sigmoid(), nn.functional.binary_cross_entropy_with_logits(logits, targ, reduction='none')
        return (bce*torch.where(targ>0, (1-p)**self.present, p**self.absent)).mean()

class Smooth(nn.Module):
    "Binary cross-entropy in which an absent tag may have been forgotten"
    def __init__(self, share=.005): super().__init__(); self.share = share
    def forward(self, logits, targ): return nn.functional.binary_cross_entropy_with_logits(logits, targ.clamp(self.share, 1-self.share))

def tune(df, start, work, loss=None, freeze=None, precision='bf16', **changes):
    "A model trained for one epoch"
    s = {**TUNE, 'epochs':(0,1), **changes}
    *objects,_ = load_model(start, len(VOCAB), s['pooling'])
    if freeze: freeze(objects[3])
    learn = make_learner(make_dls(df, VOCAB, objects, s['text'], s['max_length'], s['bs']), objects[3], precision, work, progress=False)
    if loss: learn.loss_func = loss
    fit_stages(learn, s['epochs'], [list(r) if isinstance(r, tuple) else r for r in s['rates']], dict(stage=0, epoch=0, history=[]))
    (Path(work)/'checkpoint.pt').unlink(missing_ok=True)
    return objects

def only_head(model):
    for p in model.encoder.parameters(): p.requires_grad_(False)

def training_variants(work, starter):
    "`{change: function that gives a trained model}`"
    some, tmp, start = starter.sample(frac=1/3, random_state=0), work/'variant', work/'start'
    tmp.mkdir(exist_ok=True)
    e,l,p,h = TUNE['rates'][1]
    return {'as shipped': lambda: tune(some, start, tmp),
            'no cards of terms': lambda: tune(some[~some.id.str.startswith('card:')], start, tmp),
            'titles only, bodies cut': lambda: tune(some.assign(description=''), start, tmp),
            'head starts as noise': lambda: tune(some, minilm_path(), tmp),
            'embeddings and layers as they are': lambda: tune(some, start, tmp, freeze=only_head),
            'focal loss': lambda: tune(some, start, tmp, loss=Focal()),
            'asymmetric loss': lambda: tune(some, start, tmp, loss=Focal(0., 2.)),
            'absent tags may be missing (0.005)': lambda: tune(some, start, tmp, loss=Smooth()),
            'batches of 32': lambda: tune(some, start, tmp, bs=32),
            'half the rates': lambda: tune(some, start, tmp, rates=(0., (e/2,l/2,p/2,h/2))),
            'twice the rates': lambda: tune(some, start, tmp, rates=(0., (2*e,2*l,2*p,2*h))),
            'two epochs': lambda: tune(some, start, tmp, epochs=(0,2))}

@call_parse
def main(
    questions:str,           # The real questions of the model (CSV or JSON lines)
    work:str='runs/build',   # Work folder of `scifi_build`
    only:str='',             # Only changes of the training whose name contains this; 'none' for none of them
    threads:int=0            # Threads of torch (0: as it likes)
):
    "Measure what each choice brings, and write benchmarks/results/training.json"
    if threads: torch.set_num_threads(threads)
    work = Path(work)
    real, starter = prepare(read_questions(questions), VOCAB)[0], starter_data()
    fold, y, texts = folds(real), multi_hot(real.tags, VOCAB), question_texts(real, 'both')
    data = dict(real=data_digest(real.assign(split='train')), starter=data_digest(starter))
    done = json.loads(OUT.read_text(encoding='utf-8')) if OUT.exists() else {}
    rows = done.get('rows', []) if done.get('data')==data else []
    def save(): write_text(OUT, json.dumps(dict(questions=len(real), data=data, torch=torch.__version__, python=platform.python_version(), rows=rows), indent=1)+'\n')
    if not any(r['group']=='head on real questions' for r in rows):
        rows += [dict(group=g, change=c, **s) for g,c,s in head_variants(work, real, starter, fold)]
        save()
    for name,make in tqdm(training_variants(work, starter).items()):
        if only not in name or any(r['group']=='training' and r['change']==name for r in rows): continue
        random.seed(0); torch.manual_seed(0)
        _,_,tokenizer,model = make()
        rows.append(dict(group='training', change=name, **scores(y, predict_torch(model, tokenizer, texts, TUNE['max_length']), fold)))
        save()
    for r in rows: print(*r.values(), sep='\t')
