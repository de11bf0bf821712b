"""What scraping costs: our way and the original's, on the local replica of the site without any delay (see nbs/00_scrape.ipynb).

It runs in a clone with the `collect` extra, Chromium and chromedriver, and takes about a minute:

    python benchmarks/scrape.py

With --keep it also writes benchmarks/results/scrape.json.
"""
import csv,tempfile,time
from urllib.parse import urlsplit

from fastcore.script import call_parse
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from scifi_tags.collect import write_csv
from scifi_tags.replica import Replica,replica_questions
from scifi_tags.scrape import find_browser,scrape_details

from saving import save


def naive(urls, out):
    "A new browser for each page, several messages to it, the whole file after each question"
    chromium,driver = find_browser()
    rows = []
    for url in urls:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in '--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage': options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=Service(driver))
        browser.get(url)
        cell = browser.find_element(By.CLASS_NAME, 'postcell')
        title, body = browser.find_element(By.CSS_SELECTOR, '#question-header h1'), cell.find_element(By.CLASS_NAME, 's-prose')
        rows.append(dict(title=title.text, url=url, description=body.text, tags=[tag.text for tag in cell.find_elements(By.CLASS_NAME, 'post-tag')]))
        with open(out, 'w', newline='') as f:
            w = csv.DictWriter(f, list(rows[0]))
            w.writeheader()
            w.writerows(rows)
        browser.quit()
    return len(rows)


def measure(name, r, read):
    "A row of the table: questions per second of `read()`, which returns how many it read"
    r.reset()
    start = time.perf_counter()
    n = read()
    seconds, stats = time.perf_counter()-start, r.stats()
    print(f'{name:<32}{n:>6} questions in {seconds:6.1f} s: {n/seconds:6.2f} per second, '
          f'{stats["requests"]} requests, {stats["violations"]} violations', flush=True)
    return {'': name, 'questions': n, 'seconds': round(seconds, 1), 'a second': round(n/seconds, 2), 'requests': stats['requests'], 'violations': stats['violations']}


@call_parse
def main(
    n:int=500,      # Questions to read in our way, starting the browsers included
    n_naive:int=20, # Questions to read in the naive way
    workers:int=2,  # Browsers that read at the same time in our way
    keep:bool=False # Write benchmarks/results/scrape.json?
):
    "Questions per second from the local replica of the site, without any delay: the scraper compared with a new browser for each page"
    rows = replica_questions(max(n, n_naive))
    with tempfile.TemporaryDirectory() as d, Replica(rows) as r:
        urls = [r.url+urlsplit(row['url']).path for row in rows]
        write_csv(f'{d}/urls.csv', ['title','url'], [dict(title=row['title'], url=url) for row,url in zip(rows[:n], urls)])
        def ours(): return len(scrape_details(f'{d}/urls.csv', f'{d}/ours.csv', workers, r.url, delay=0).rows)
        slow = measure('a new browser for each page', r, lambda: naive(urls[:n_naive], f'{d}/naive.csv'))
        fast = measure(f'scifi_scrape_details, {workers} workers', r, ours)
        note = f'{fast["a second"]/slow["a second"]:.0f} times as fast'
        print(note)
        if keep: save('scrape', [slow, fast], note+', from a site that answers at once.')
