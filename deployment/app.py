"""The app as a Space on Hugging Face; `scifi_space` puts the code and the model beside it"""
from scifi_tags.app import launch

if __name__ == '__main__': launch()
