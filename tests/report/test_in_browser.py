"""The page as a reader meets it: in Chromium."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from collecting import find

from slaeval.report import render

pytestmark = pytest.mark.browser

Runs = tuple[Path, Path]

#: The segments that are in the document, in reading order, and what was found.
_IDS = "[...document.querySelectorAll('.rows .seg .head > :first-child')].map((x) => x.textContent)"
_FOUND = "document.querySelector('.found').textContent"


def _write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.fixture(scope="session")
def page(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything in it: a run with pictures against another one."""
    found = find(runs[0], against=runs[1], pictures=10)
    return _write(tmp_path_factory.mktemp("page") / "report.html", render(found))


@pytest.fixture(scope="session")
def score(runs: Runs):
    return find(runs[0]).score


def _open(browser, path: Path) -> float:
    """Open a page and go to its list of segments; return the seconds opening took."""
    seconds = browser.open(path)
    browser.run("document.getElementById('segments').scrollIntoView()")
    browser.settle()
    return seconds


def _choose(browser, name: str, option: str) -> None:
    """Choose an option of a select by its text."""
    browser.run(
        f"{{const s = document.getElementById('{name}');"
        f"s.value = [...s.options].findIndex((o) => o.text.startsWith('{option}'));"
        "s.dispatchEvent(new Event('change'))}"
    )
    browser.settle()


def _press(browser, title: str) -> None:
    """Press the first filter button whose title begins so."""
    browser.run(f"document.querySelector('button.f[title^=\"{title}\"]').click()")
    browser.settle()


def _search(browser, text: str) -> None:
    browser.run("{const s = document.getElementById('search'); s.value = ''; s.focus()}")
    browser.type(text)
    browser.settle()


def _segments(browser) -> int:
    """Return how many segments the list holds."""
    return int(browser.run(_FOUND).split()[0].replace(",", ""))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_without_a_complaint(browser, page: Path, scheme: str) -> None:
    browser.colours(scheme)
    _open(browser, page)
    assert browser.complaints() == []
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")
    assert browser.run("document.querySelectorAll('.rows .seg').length") >= 3


def test_search_finds_glosses_segments_and_signers(browser, page: Path, score) -> None:
    _open(browser, page)
    for text, wanted in (
        ("gewitter", lambda s: "GEWITTER" in [*s.reference, *s.hypothesis]),
        ("alpen stark", lambda s: {"ALPEN", "STARK"} <= {*s.reference, *s.hypothesis}),
        (score.segments[7].id[:22], lambda s: s.id.startswith(score.segments[7].id[:22])),
        ("Signer08", lambda s: s.signer == "Signer08"),
    ):
        _search(browser, text)
        other = {segment.id for segment in score.segments if wanted(segment)}
        shown = set(browser.run(_IDS))
        assert other
        assert shown
        # The other system's glosses are found as well, and the list draws what fits.
        assert other <= shown or len(shown) < _segments(browser)
        assert _segments(browser) >= len(other)
    _search(browser, "nosuchgloss")
    assert _segments(browser) == 0
    assert browser.run(_IDS) == []


def test_sorting(browser, page: Path, score) -> None:
    _open(browser, page)
    order = {
        "order of": [s.id for s in score.segments],
        "most errors": [s.id for s in sorted(score.segments, key=lambda s: -s.errors)],
        "longest": [s.id for s in sorted(score.segments, key=lambda s: -len(s.reference))],
        "highest": [
            s.id
            for s in sorted(score.segments, key=lambda s: (-s.errors / len(s.reference), -s.errors))
        ],
        "signer": [s.id for s in sorted(score.segments, key=lambda s: s.signer)],
    }
    for name, ids in order.items():
        _choose(browser, "order", name)
        shown = browser.run(_IDS)
        assert len(shown) >= 3
        assert shown == ids[: len(shown)], name


def test_kinds_of_segments(browser, page: Path, score) -> None:
    _open(browser, page)
    for name, wanted in (
        ("with errors", lambda s: s.errors),
        ("with substitutions", lambda s: "S" in s.ops),
        ("with insertions", lambda s: "I" in s.ops),
        ("without", lambda s: not s.errors),
        ("all", lambda s: True),
    ):
        _choose(browser, "kind", name)
        assert _segments(browser) == sum(bool(wanted(s)) for s in score.segments), name
    _choose(browser, "kind", "with pictures")
    assert 0 < _segments(browser) <= 10


def test_a_click_shows_the_segments_of_a_number(browser, page: Path, score) -> None:
    _open(browser, page)
    pair = score.confusions()[0]
    wanted = {s.id for s in score.segments if ("S", pair.reference, pair.hypothesis) in s.pairs()}
    _press(browser, f"show the segments: {pair.reference} recognised as {pair.hypothesis}")
    assert set(browser.run(_IDS)) == wanted
    assert browser.run("document.querySelector('.rows').getBoundingClientRect().top") < 900
    # A second filter narrows, taking it away widens again.
    _press(browser, "show the segments: Signer01")
    assert _segments(browser) <= len(wanted)
    browser.run("document.querySelectorAll('.chips button')[1].click()")
    browser.settle()
    assert set(browser.run(_IDS)) == wanted
    browser.run("document.querySelector('.chips button').click()")
    browser.settle()
    assert _segments(browser) == 48


def test_every_group_leads_to_its_segments(browser, page: Path, runs: Runs) -> None:
    found = find(runs[0])
    _open(browser, page)
    for grouping, groups in found.groups.items():
        for group in groups:
            _press(browser, f"show the segments: {group.name}")
            whole = grouping in ("signer", "length")
            expected = group.segments if whole else group.segment_errors
            assert _segments(browser) == expected, (grouping, group.name)
            browser.run("document.querySelector('.chips button').click()")
    lost = sum(
        mine.errors > theirs.errors
        for mine, theirs in zip(found.score.segments, find(runs[1]).score.segments, strict=True)
    )
    _press(browser, "show the segments that run_hyp lost")
    assert _segments(browser) == lost


def test_alignments_are_told_by_colour_and_sign(browser, page: Path, score) -> None:
    _open(browser, page)
    _choose(browser, "order", "order of")
    shown = browser.run(
        "[...document.querySelectorAll('.rows .seg')].map((row) =>"
        "[...row.querySelectorAll('.al li:not(.label)')].map((li) => "
        "[...li.querySelectorAll('.r, .h')].slice(0, 2).map((x) => x.textContent)))"
    )
    for segment, lines in zip(score.segments, shown, strict=False):
        mine = [line for line in lines if line[1]]
        signs = {"C": "", "S": "S", "D": "D", "I": "I"}
        assert mine == [
            [reference or "–", signs[op] + (hypothesis or "–")]
            for op, reference, hypothesis in segment.pairs()
        ]
    # Text on its ground: at least 4.5 to 1 in both themes.
    contrast = """(() => {
        const light = (colour) => {
          const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((v) => {
            v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
          return .2126 * r + .7152 * g + .0722 * b; };
        const ground = (node) => {
          const colour = getComputedStyle(node).backgroundColor;
          return /rgba\\(.*, 0\\)/.test(colour) ? ground(node.parentElement) : colour; };
        return Math.min(...[...document.querySelectorAll(
            '.al .S, .al .D, .al .I, .al b, .found, .note, .head span, td, th, p, b.S, b.D')]
          .filter((node) => node.offsetParent && !node.closest('.heat'))
          .map((node) => {
            const a = light(getComputedStyle(node).color), b = light(ground(node));
            return (Math.max(a, b) + .05) / (Math.min(a, b) + .05); })); })()"""
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        assert browser.run(contrast) >= 4.5, scheme


def test_pictures_stand_under_their_glosses(browser, page: Path) -> None:
    _open(browser, page)
    _choose(browser, "kind", "with pictures")
    shown = browser.run(
        "[...document.querySelectorAll('.rows img')].map((i) => [i.alt, i.complete, i.naturalWidth,"
        "i.parentElement.querySelector('.at').textContent])"
    )
    assert shown
    for alt, complete, width, below in shown:
        assert complete
        assert width > 100
        assert alt.startswith("frames ")
        assert below.endswith(", 50 %")


def test_keys(browser, page: Path) -> None:
    _open(browser, page)
    browser.key("/")
    assert browser.run("document.activeElement.id") == "search"
    browser.type("alpen")
    browser.settle()
    browser.key("Enter")
    place = "+document.activeElement.getAttribute('aria-posinset')"
    assert browser.run(place) == 1
    for key, expected in (("j", 2), ("PageDown", 3), ("k", 2), ("PageUp", 1), ("k", 1)):
        browser.key(key)
        assert browser.run(place) == expected, key
    for _ in range(100):
        browser.key("j")
    assert browser.run(place) == _segments(browser)
    assert browser.run("document.activeElement.getBoundingClientRect().bottom") <= 900 + 1


def test_themes_follow_the_button(browser, page: Path) -> None:
    _open(browser, page)
    colours = []
    for _ in range(3):
        colours.append(browser.run("getComputedStyle(document.body).backgroundColor"))
        browser.run("document.getElementById('theme').click()")
    auto, light, dark = colours
    assert auto == light != dark


def test_tables_sort(browser, page: Path) -> None:
    _open(browser, page)
    table = "document.querySelector('#where table')"
    cells = f"[...{table}.tBodies[0].rows].map((r) => parseFloat(r.cells[5].textContent))"
    head = f"{table}.tHead.rows[0].cells[5]"
    browser.run(f"{head}.querySelector('button').click()")
    assert browser.run(cells) == sorted(browser.run(cells), reverse=True)
    browser.run(f"{head}.querySelector('button').click()")
    assert browser.run(cells) == sorted(browser.run(cells))
    assert browser.run(f"{head}.getAttribute('aria-sort')") == "ascending"


def test_narrow_windows_do_not_overflow(browser, page: Path) -> None:
    for width in (360, 768):
        browser.size(width, 740)
        _open(browser, page)
        assert browser.run("document.documentElement.scrollWidth") <= width


def test_long_names_break_and_leave_the_rate_in_sight(browser, tmp_path: Path) -> None:
    long = ["LANG" * 40 + end for end in "AB"]
    reference = _write(tmp_path / "ref.tsv", f"a\tX {long[0]}\n")
    hypothesis = _write(tmp_path / f"{'very_' * 12}long.tsv", f"a\t{long[1]} X {long[0]}\n")
    browser.size(360, 740)
    _open(browser, _write(tmp_path / "l.html", render(find(hypothesis, ref=reference))))
    for inside in ("document.documentElement", "document.querySelector('.rows .al')"):
        assert browser.run(f"{inside}.scrollWidth - {inside}.clientWidth") <= 0, inside
    rate = "document.querySelector('.top strong span').getBoundingClientRect()"
    assert browser.run(f"{rate}.right") <= browser.run(
        "document.querySelector('.top strong').getBoundingClientRect().right"
    )
    assert browser.run(f"{rate}.width") > 60


def test_right_to_left_runs_right_to_left(browser, samples: Path, tmp_path: Path) -> None:
    folder = samples / "isharah500"
    found = find(folder / "hyp.ctm", "isharah500", root=folder)
    _open(browser, _write(tmp_path / "r.html", render(found)))
    assert browser.complaints() == []
    left = browser.run(
        "[...document.querySelectorAll('.rows .al')].map((row) => [...row.children]"
        ".filter((li) => li.offsetTop === row.firstChild.offsetTop)"
        ".map((li) => li.getBoundingClientRect().left))"
    )
    assert len(left) >= 3
    for places in left:
        assert places == sorted(places, reverse=True)
    assert browser.run("document.querySelector('.rows bdi[lang]').lang") == "ar"


@pytest.fixture(scope="session")
def translations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page about a file of translations of the sample corpus."""
    from slaeval.evaluation.request import Request
    from slaeval.evaluation.text.evaluation import TextEvaluation
    from slaeval.loaders import write_sample
    from slaeval.report.translations import collect_translations, render_translations

    root = tmp_path_factory.mktemp("translations")
    write_sample("phoenix2014t", root)
    request = Request(dataset="phoenix2014t", root=str(root))
    evaluation = TextEvaluation.open(root / "translations.tsv", request)
    return _write(root / "report.html", render_translations(collect_translations(evaluation)))


def test_translations_are_searched_and_sorted(browser, translations: Path) -> None:
    browser.open(translations)
    assert browser.complaints() == []
    table = "document.querySelector('table[data-search]')"
    shown = f"[...{table}.tBodies[0].rows].filter((r) => !r.hidden)"
    search = "document.querySelector('#segments input[type=search]')"
    found = "document.querySelector('#segments .found').textContent"
    assert browser.run(found) == "48 of 48 sentences"
    browser.run(f"{{{search}.value = ''; {search}.focus()}}")
    browser.type("signer05 morgen")
    browser.settle()
    rows = browser.run(f"{shown}.map((r) => r.textContent.toLowerCase())")
    assert 0 < len(rows) < 48
    assert all("signer05" in row and "morgen" in row for row in rows)
    assert browser.run(found) == f"{len(rows)} of 48 sentences"
    bleu = f"{shown}.map((r) => parseFloat(r.cells[3].textContent))"
    assert browser.run(bleu) == sorted(browser.run(bleu))
    browser.run(f"{table}.tHead.rows[0].cells[3].querySelector('button').click()")
    assert browser.run(bleu) == sorted(browser.run(bleu), reverse=True)
    browser.run("document.getElementById('theme').click()")
    assert browser.run("document.documentElement.dataset.theme") == "light"


def test_hostile_glosses_stay_text(browser, hostile, tmp_path: Path) -> None:
    hypothesis, reference, words = hostile
    found = find(hypothesis, ref=reference, protocol="none", against=reference)
    _open(browser, _write(tmp_path / "h.html", render(found)))
    assert browser.complaints() == []
    assert browser.run("document.querySelectorAll('script').length") == 2
    assert browser.run("document.querySelector('img, .rows i, main i')") is None
    shown = browser.run(
        "[...document.querySelectorAll('.rows .seg:first-child .r bdi')].map((x) => x.textContent)"
    )
    assert shown == words
    _search(browser, "</script>")
    assert _segments(browser) == 3
    browser.run("document.querySelector('.pairs button.f').click()")
    browser.settle()
    assert _segments(browser) == 3


def test_without_javascript_the_summary_stands(browser, page: Path) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.send("Page.navigate", url=page.resolve().as_uri())
        browser.wait("document.readyState === 'complete'")
        text = browser.run("document.body.innerText")
        assert "WER 21.46 %" in text
        assert "By signer" in text
        assert "need JavaScript" in text
        assert browser.run("document.getElementById('list').offsetParent") is None
        static = "document.querySelectorAll('.static .seg').length"
        assert browser.run(static) == 20
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_on_paper(browser, page: Path, tmp_path: Path) -> None:
    _open(browser, page)
    browser.send("Emulation.setEmulatedMedia", media="print")
    try:
        text = browser.run("document.body.innerText")
        assert "with the most errors, of 48" in text
        assert "need JavaScript" not in text
        assert "Pictures of" not in text
        # A heading that goes on on the next page is printed there without its buttons.
        assert (
            browser.run("getComputedStyle(document.querySelector('thead th button')).display")
            == "contents"
        )
        assert browser.run("document.getElementById('list').offsetParent") is None
        browser.print(tmp_path / "report.pdf")
        assert (tmp_path / "report.pdf").stat().st_size > 20_000
    finally:
        browser.send("Emulation.setEmulatedMedia", media="")


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 10,000 segments with 9 glosses on average."""
    rng = random.Random(0)
    vocabulary = [f"GLOSS{number}" for number in range(1000)]
    weights = [1 / (number + 3) for number in range(1000)]
    reference, one, other = [], [], []
    for number in range(10_000):
        words = rng.choices(vocabulary, weights, k=rng.randint(2, 16))
        name = f"{number:05d}Monday_2011_tagesschau-{number}"
        reference.append(f"{name}\t{' '.join(words)}\n")
        for said in (one, other):
            mine = [rng.choice(vocabulary) if rng.random() < 0.2 else word for word in words]
            kept = [word for word in mine if rng.random() > 0.1]
            said.append(f"{name}\t{' '.join(kept)}\n")
    folder = tmp_path_factory.mktemp("large")
    paths = [
        _write(folder / f"{name}.tsv", "".join(rows))
        for name, rows in (("ref", reference), ("one", one), ("other", other))
    ]
    found = find(paths[1], ref=paths[0], against=paths[2])
    return _write(folder / "report.html", render(found))


def test_ten_thousand_segments_stay_usable(browser, large: Path, capsys) -> None:
    seconds = _open(browser, large)
    assert browser.complaints() == []
    assert _segments(browser) == 10_000
    # Only what is seen is in the document.
    assert browser.run("document.querySelectorAll('.rows .seg').length") < 60
    timed = """(async () => {{
        const box = document.getElementById('search'), begin = performance.now();
        box.value = {text!r}; box.dispatchEvent(new Event('input'));
        await new Promise((done) => setTimeout(done, 31));
        await new Promise((done) => requestAnimationFrame(done));
        return performance.now() - begin - 31; }})()"""
    first = browser.run(timed.format(text="gloss17"))
    second = browser.run(timed.format(text="gloss17 gloss2"))
    assert 0 < _segments(browser) < 10_000
    _search(browser, "08888")
    assert [name[:5] for name in browser.run(_IDS)] == ["08888"]
    browser.run("document.getElementById('search').value = ''")
    _choose(browser, "order", "order of")
    # From one end to the other, and wherever the list is, it is full.
    height = browser.run("document.documentElement.scrollHeight")
    jumps = []
    for part in (0.3, 0.5, 0.71, 1):
        jumps.append(
            browser.run(
                "(async () => { const begin = performance.now();"
                f"window.scrollTo(0, {part} * {height});"
                "await new Promise((done) => requestAnimationFrame(() => "
                "requestAnimationFrame(done)));"
                "return performance.now() - begin; })()"
            )
        )
        browser.settle()
        boxes = browser.run(
            "[...document.querySelectorAll('.rows .seg')].map((row) => "
            "[row.getBoundingClientRect().top, row.getBoundingClientRect().bottom])"
        )
        assert min(top for top, _ in boxes) <= 200
        if part < 1:
            assert max(bottom for _, bottom in boxes) >= 900
        # One under the other, without overlap and without gap.
        for (_, above), (below, _) in pairwise(boxes):
            assert abs(below - above) < 2
    assert browser.run(_IDS)[-1].startswith("09999")
    assert browser.complaints() == []
    with capsys.disabled():
        print(
            f"\n10,000 segments, {large.stat().st_size / 1e6:.1f} MB: open {seconds:.2f} s, first "
            f"search {first:.0f} ms, next {second:.0f} ms, jump {max(jumps):.0f} ms"
        )
    assert seconds < 15
