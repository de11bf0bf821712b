"""The effect of each choice behind the shipped model, one change at a time: writes benchmarks/results/training.json.

    python benchmarks/training.py questions.jsonl --work runs/build

The folder is the work folder of a finished `scifi_build questions.jsonl`. Every score is cross-validated on the real questions, with
thresholds from the other folds. Changes of the head are measured on the finished model; changes of the training on a third of the
starter corpus, for one epoch, each from the same start. The latter take some minutes each; --only selects some of them. A change that
was measured on the same data is not measured again.
"""
import json,random
from pathlib import Path

import numpy as np
import torch
from fastcore.script import call_parse
from torch import nn
from tqdm.auto import tqdm

import saving
from scifi_tags.baselines import fold_thresholds
from scifi_tags.build import L2_TO_INIT,REPLAY_WEIGHT,cross_validate,head_data,starter_data
from scifi_tags.encoder import load_encoder,load_run,minilm_path
from scifi_tags.head import SEEDS,TUNE
from scifi_tags.metrics import apply_thresholds,rank_scores,set_scores
from scifi_tags.preprocess import fold_ids,multi_hot,prepare,read_table
from scifi_tags.starter import tag_counts
from scifi_tags.train import data_digest,fit_stages,make_dls,make_learner,predict_torch,question_texts

OUT = Path(__file__).parent/'results'/'training.json'
VOCAB = list(tag_counts())

def scores(y, p, fold, **kw):
    "The scores that are compared; `kw` for `choose_thresholds`"
    res = {**set_scores(y, apply_thresholds(p, fold_thresholds(y, p, fold, **kw))), **rank_scores(y, p)}
    return {k: round(float(res[k]), 4) for k in ('f1_micro','f1_macro_present','precision_at_1')}

def head_variants(work, real, starter, fold):
    "`(group, change, scores)` for changes that need no training"
    y = multi_hot(real.tags, VOCAB)
    for name in *(f'seed{s}' for s in SEEDS),'starter':
        model,tokenizer,info = load_run(work/name)
        p = predict_torch(model, tokenizer, question_texts(real, 'both'), info['max_length'])
        yield 'starter corpus only', {'starter':'mean of both seeds'}.get(name, f'one run, seed {name[4:]}'), scores(y, p, fold)
    for text in 'title','description':
        yield 'what is read', f'{text} only', scores(y, predict_torch(model, tokenizer, question_texts(real, text), info['max_length']), fold)
    for n in 64,256: yield 'what is read', f'title and body, {n} tokens', scores(y, predict_torch(model, tokenizer, question_texts(real, 'both'), n), fold)
    data, head = head_data(work/'starter', real, starter, VOCAB), model.head
    best = cross_validate(head, data, fold)
    changes = {'as shipped': {}, **{f'l2_to_init of {p} instead of {L2_TO_INIT}': dict(l2_to_init=p) for p in (.003,.01,.03,.3)},
               **{f'replay weighs {w} instead of {REPLAY_WEIGHT}': dict(replay=w) for w in (.01,.3,1.)}, 'each real question once, with its body': dict(title=0.)}
    for name,kw in changes.items(): yield 'head on real questions', name, scores(y, cross_validate(head, data, fold, **kw) if kw else best, fold)
    for shrink,name in ((0,'each tag its own'),(10,'shrunk less (10)'),(160,'shrunk more (160)'),(1e9,'one for all tags')):
        yield 'thresholds', name, scores(y, best, fold, shrink=shrink)

class Focal(nn.Module):
    "Binary cross-entropy with less weight on what is already right (Lin et al. 2017), separately for absent tags (Ridnik et al. 2021)"
    def __init__(self, present=1., absent=1.): super().__init__(); self.present, self.absent = present, absent
    def forward(self, logits, targ):
        p, bce = logits.sigmoid(), nn.functional.binary_cross_entropy_with_logits(logits, targ, reduction='none')
        return (bce*torch.where(targ>0, (1-p)**self.present, p**self.absent)).mean()

def tune(df, start, work, loss=None, precision='bf16', **changes):
    "A model trained for one epoch"
    s = {**TUNE, 'label_smoothing':0., 'epochs':(0,1), **changes}
    *objects,_ = load_encoder(start, len(VOCAB), s['pooling'])
    dls = make_dls(df, VOCAB, objects, s['text'], s['max_length'], s['bs'])
    learn = make_learner(dls, objects[3], precision, work, progress=False, label_smoothing=s['label_smoothing'])
    if loss: learn.loss_func = loss
    fit_stages(learn, s['epochs'], s['lrs'], dict(stage=0, epoch=0, history=[]))
    (Path(work)/'checkpoint.pt').unlink(missing_ok=True)
    return objects

def training_variants(work, starter):
    "`{change: function that returns a trained model}`"
    some, tmp, start = starter.sample(frac=1/3, random_state=0), work/'variant', work/'start'
    tmp.mkdir(exist_ok=True)
    e,l,p,h = TUNE['lrs'][1]
    return {'as shipped, but with targets of 0 and 1, as all below': lambda: tune(some, start, tmp),
            'no cards of terms': lambda: tune(some[~some.id.str.startswith('card:')], start, tmp),
            'titles only, bodies cut': lambda: tune(some.assign(description=''), start, tmp),
            'head starts from noise': lambda: tune(some, minilm_path(), tmp),
            'embeddings and layers unchanged': lambda: tune(some, start, tmp, epochs=(1,0), lrs=(h,0.)),
            'focal loss': lambda: tune(some, start, tmp, loss=Focal()),
            'asymmetric loss': lambda: tune(some, start, tmp, loss=Focal(0., 2.)),
            **{f'targets of {m} and {1-m}': lambda m=m: tune(some, start, tmp, label_smoothing=m) for m in (.005,.01,.02)},
            'batches of 32': lambda: tune(some, start, tmp, bs=32),
            'half the rates': lambda: tune(some, start, tmp, lrs=(0., (e/2,l/2,p/2,h/2))),
            'twice the rates': lambda: tune(some, start, tmp, lrs=(0., (2*e,2*l,2*p,2*h))),
            'two epochs': lambda: tune(some, start, tmp, epochs=(0,2))}

@call_parse
def main(
    questions:str,           # The real questions of the model
    work:str='runs/build',   # Work folder of `scifi_build`
    only:str='',             # Only changes of the training whose name contains this; 'none' for none of them
    threads:int=0            # Threads of torch (0: as it likes)
):
    "Measure the effect of each choice, and write benchmarks/results/training.json"
    if threads: torch.set_num_threads(threads)
    work = Path(work)
    real, starter = prepare(read_table(questions), VOCAB)[0], starter_data()
    fold, y, texts = fold_ids(real), multi_hot(real.tags, VOCAB), question_texts(real, 'both')
    data = dict(real=data_digest(real.assign(split='train')), starter=data_digest(starter))
    done = json.loads(OUT.read_text(encoding='utf-8')) if OUT.exists() else {}
    rows = done.get('rows', []) if done.get('data')==data else []
    def save(): saving.save('training', rows, f'{len(real)} real questions.', ('torch',), data=data)
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
