"""The app as a Space of Hugging Face: all that it needs is in this folder"""
from pathlib import Path

from scifi_tags.app import launch

if __name__ == '__main__': launch(model=Path(__file__).parent)
