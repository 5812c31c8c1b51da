"""Reports against those sclite 2.10 wrote for the same (invented) references and hypotheses."""

from __future__ import annotations

from slaeval.scoring import sclite_reports
from slaeval.scoring.segments import AlignedSegment

SEGMENTS = [
    AlignedSegment(name, signer, reference.split(), hypothesis.split(), ops)
    for name, signer, reference, hypothesis, ops in [
        (
            "Tag_03-A",
            "Signer02",
            "HEUTE NACHT REGEN süden STURM WIND",
            "heute REGEN SÜDEN WIND IX",
            "CDCDSCI",
        ),
        ("Tag_01-B", "Signer01", "MORGEN SONNE", "MORGEN SONNE", "CC"),
        ("Tag_02-C", "signer02", "REGEN REGEN WOLKE", "WOLKE REGEN", "SCD"),
        ("Tag_05-D", "Signer03", "", "IX NICHT", "II"),
        ("Tag_04-E", "Signer01", "他 今天 年龄 4 انا رغبه", "他 年龄 五 انا", "CDCSCD"),
    ]
]

# As written by sclite; a $ marks the end of each line, so that blanks before it show.
PRA = """\
$
$
		DUMP OF SYSTEM ALIGNMENT STRUCTURE$
$
System name:   invented$
$
Speakers: $
    0:  signer02$
    1:  signer01$
    2:  signer03$
$
Speaker sentences   0:  signer02   #utts: 2$
id: (signer02-000)$
File: tag_03-a$
Channel: 1$
Scores: (#C #S #D #I) 3 1 2 1$
REF:  heute NACHT regen SüDEN STURM  wind ** $
HYP:  heute ***** regen ****** SÜDEN wind IX $
Eval:       D           D      S           I  $
$
id: (signer02-001)$
File: tag_02-c$
Channel: 1$
Scores: (#C #S #D #I) 1 1 1 0$
REF:  REGEN regen WOLKE $
HYP:  WOLKE regen ***** $
Eval: S           D     $
$
Speaker sentences   1:  signer01   #utts: 2$
id: (signer01-000)$
File: tag_01-b$
Channel: 1$
Scores: (#C #S #D #I) 2 0 0 0$
REF:  morgen sonne $
HYP:  morgen sonne $
Eval:              $
$
id: (signer01-001)$
File: tag_04-e$
Channel: 1$
Scores: (#C #S #D #I) 3 1 2 0$
REF:  他 今天 年龄 4   انا رغبه $
HYP:  他 ****** 年龄 五 انا ******** $
Eval:     D             S          D        $
$
Speaker sentences   2:  signer03   #utts: 1$
id: (signer03-000)$
File: tag_05-d$
Channel: 1$
Scores: (#C #S #D #I) 0 0 0 2$
REF:  ** ***** $
HYP:  IX NICHT $
Eval: I  I     $
$
$
"""

DTL = """\
DETAILED OVERALL REPORT FOR THE SYSTEM: invented$
$
SENTENCE RECOGNITION PERFORMANCE$
$
 sentences                                           5$
 with errors                             80.0%   (   4)$
$
   with substitutions                    60.0%   (   3)$
   with deletions                        60.0%   (   3)$
   with insertions                       40.0%   (   2)$
$
$
WORD RECOGNITION PERFORMANCE$
$
Percent Total Error       =   64.7%   (  11)$
$
Percent Correct           =   52.9%   (   9)$
$
Percent Substitution      =   17.6%   (   3)$
Percent Deletions         =   29.4%   (   5)$
Percent Insertions        =   17.6%   (   3)$
Percent Word Accuracy     =   35.3%$
$
$
Ref. words                =           (  17)$
Hyp. words                =           (  15)$
Aligned words             =           (  20)$
$
CONFUSION PAIRS                  Total                 (3)$
                                 With >=  1 occurrences (3)$
$
   1:    1  ->  4 ==> 五$
   2:    1  ->  regen ==> wolke$
   3:    1  ->  sturm ==> sÜden$
     -------$
         3$
$
$
$
INSERTIONS                       Total                 (2)$
                                 With >=  1 occurrences (2)$
$
   1:    2  ->  ix$
   2:    1  ->  nicht$
     -------$
         3$
$
$
$
DELETIONS                        Total                 (5)$
                                 With >=  1 occurrences (5)$
$
   1:    1  ->  nacht$
   2:    1  ->  süden$
   3:    1  ->  wolke$
   4:    1  ->  رغبه$
   5:    1  ->  今天$
     -------$
         5$
$
$
$
SUBSTITUTIONS                    Total                 (3)$
                                 With >=  1 occurrences (3)$
$
   1:    1  ->  4$
   2:    1  ->  regen$
   3:    1  ->  sturm$
     -------$
         3$
$
$
* NOTE: The 'Substitution' words are those reference words$
        for which the recognizer supplied an incorrect word.$
$
$
FALSELY RECOGNIZED               Total                 (3)$
                                 With >=  1 occurrences (3)$
$
   1:    1  ->  sÜden$
   2:    1  ->  wolke$
   3:    1  ->  五$
     -------$
         3$
$
$
* NOTE: The 'Falsely Recognized' words are those hypothesis words$
        which the recognizer incorrectly substituted for a reference word.$
$
"""

SPK_SIGNER03 = """\
SCORING FOR SPEAKER: signer03$
     of invented$
$
SENTENCE RECOGNITION PERFORMANCE$
$
 sentences                                           1$
 with errors                            100.0%   (   1)$
$
   with substitutions                     0.0%   (   0)$
   with deletions                         0.0%   (   0)$
   with insertions                      100.0%   (   1)$
$
$
WORD RECOGNITION PERFORMANCE$
$
Percent Total Error       =  UNDEF%   (   2)$
$
Percent Correct           =  UNDEF%   (   0)$
$
Percent Substitution      =  UNDEF%   (   0)$
Percent Deletions         =  UNDEF%   (   0)$
Percent Insertions        =  UNDEF%   (   2)$
Percent Word Accuracy     =  UNDEF%$
$
$
Ref. words                =           (   0)$
Hyp. words                =           (   2)$
Aligned words             =           (   2)$
$
CONFUSION PAIRS                  Total                 (0)$
                                 With >=  1 occurrences (0)$
$
     -------$
         0$
$
$
$
INSERTIONS                       Total                 (2)$
                                 With >=  1 occurrences (2)$
$
   1:    1  ->  ix$
   2:    1  ->  nicht$
     -------$
         2$
$
$
$
DELETIONS                        Total                 (0)$
                                 With >=  1 occurrences (0)$
$
     -------$
         0$
$
$
$
SUBSTITUTIONS                    Total                 (0)$
                                 With >=  1 occurrences (0)$
$
     -------$
         0$
$
$
* NOTE: The 'Substitution' words are those reference words$
        for which the recognizer supplied an incorrect word.$
$
$
FALSELY RECOGNIZED               Total                 (0)$
                                 With >=  1 occurrences (0)$
$
     -------$
         0$
$
$
* NOTE: The 'Falsely Recognized' words are those hypothesis words$
        which the recognizer incorrectly substituted for a reference word.$
$
"""

SUM = """\
$
$
$
                     SYSTEM SUMMARY PERCENTAGES by SPEAKER                      $
$
      ,------------------------------------------------------------------.$
      |                             invented                             |$
      |------------------------------------------------------------------|$
      | SPKR     | # Snt # Wrd | Corr    Sub    Del    Ins    Err  S.Err |$
      |----------+-------------+-----------------------------------------|$
      | signer02 |    2      9 | 44.4   22.2   33.3   11.1   66.7  100.0 |$
      |----------+-------------+-----------------------------------------|$
      | signer01 |    2      8 | 62.5   12.5   25.0    0.0   37.5   50.0 |$
      |----------+-------------+-----------------------------------------|$
      | signer03 |    1      0 |    0*     0*     0*     2*     2* 100.0 |$
      |==================================================================|$
      | Sum/Avg  |    5     17 | 52.9   17.6   29.4   17.6   64.7   80.0 |$
      |==================================================================|$
      |   Mean   |  1.7    5.7 | 53.5+  17.4+  29.2+   5.6+  52.1+  83.3 |$
      |   S.D.   |  0.6    4.9 | 12.8+   6.9+   5.9+   7.9+  20.6+  28.9 |$
      |  Median  |  2.0    8.0 | 53.5+  17.4+  29.2+   5.6+  52.1+ 100.0 |$
      `------------------------------------------------------------------'$
$
* No Reference words for this/these speaker(s).  Word counts supplied$
  rather than percents.$
# No Reference words for this/these speaker(s).  NCE not computable.$
+ Speaker(s) with no reference data is ignored$
"""

RSUM = """\
$
$
$
                     SYSTEM SUMMARY PERCENTAGES by SPEAKER                      $
$
      ,------------------------------------------------------------------.$
      |                             invented                             |$
      |------------------------------------------------------------------|$
      | SPKR     | # Snt # Wrd | Corr    Sub    Del    Ins    Err  S.Err |$
      |----------+-------------+-----------------------------------------|$
      | signer02 |    2      9 |    4      2      3      1      6      2 |$
      |----------+-------------+-----------------------------------------|$
      | signer01 |    2      8 |    5      1      2      0      3      1 |$
      |----------+-------------+-----------------------------------------|$
      | signer03 |    1      0 |    0      0      0      2      2      1 |$
      |==================================================================|$
      | Sum      |    5     17 |    9      3      5      3     11      4 |$
      |==================================================================|$
      |   Mean   |  1.7    5.7 |  3.0    1.0    1.7    1.0    3.7    1.3 |$
      |   S.D.   |  0.6    4.9 |  2.6    1.0    1.5    1.0    2.1    0.6 |$
      |  Median  |  2.0    8.0 |  4.0    1.0    2.0    1.0    3.0    1.0 |$
      `------------------------------------------------------------------'$
"""


def lines(text: str) -> str:
    return text.replace("\n", "$\n")


def test_pra() -> None:
    assert lines("".join(sclite_reports.pra(SEGMENTS, title="invented"))) == PRA


def test_dtl() -> None:
    assert lines(sclite_reports.dtl(SEGMENTS, title="invented")) == DTL


def test_spk() -> None:
    reports = sclite_reports.spk(SEGMENTS, title="invented")
    assert list(reports) == ["signer02", "signer01", "signer03"]
    assert lines(reports["signer03"]) == SPK_SIGNER03


def test_sum() -> None:
    assert lines(sclite_reports.summary(SEGMENTS, title="invented")) == SUM


def test_rsum() -> None:
    assert lines(sclite_reports.summary(SEGMENTS, title="invented", raw=True)) == RSUM


def test_a_wide_title_spreads_the_columns() -> None:
    table = sclite_reports.summary(SEGMENTS, title="x" * 75)
    assert lines("".join(line for line in table.splitlines(True) if "signer02" in line)) == (
        " | signer02  |    2       9  | 44.4    22.2    33.3    11.1    66.7   100.0  |$\n"
    )


def test_case_sensitive() -> None:
    segments = [AlignedSegment("A1", "Sam", ["Wind", "WIND"], ["Wind", "wind"], "CS")]
    report = "".join(sclite_reports.pra(segments, fold=False))
    assert "id: (Sam-000)\nFile: A1\n" in report
    assert "(#C #S #D #I) 1 1 0 0\nAttributes: Case_sensitve \nREF:  Wind WIND \n" in report
    assert "HYP:  Wind wind \nEval:      S    \n" in report
    assert "   1:    1  ->  WIND ==> wind\n" in sclite_reports.dtl(segments, fold=False)
    assert "   1:    1  ->  wind ==> wind\n" in sclite_reports.dtl(segments)


def test_long_lines_are_broken_as_sclite_does() -> None:
    words = ["ABCDEFGHI"] * 250
    report = "".join(sclite_reports.pra([AlignedSegment("x", "s", words, words, "C" * 250)]))
    rows = report.splitlines()
    [first] = [row for row in rows if row.startswith("REF:")]
    others = [row for row in rows if row.startswith(">> REF:")]
    assert [row.count("abcdefghi") for row in (first, *others)] == [99, 99, 52]


def test_a_word_longer_than_the_line() -> None:
    # sclite never returns from this one.
    segment = AlignedSegment("x", "s", ["A" * 2000, "B"], ["B"], "DC")
    rows = "".join(sclite_reports.pra([segment])).splitlines()
    assert [row for row in rows if row.startswith("HYP:")] == ["HYP:  " + "*" * 2000 + " "]
    assert ">> REF:  b " in rows


def test_nothing_scored() -> None:
    assert "Speakers: \n\n\n" in "".join(sclite_reports.pra([]))
    assert "Percent Total Error       =  UNDEF%   (   0)\n" in sclite_reports.dtl([])
    assert sclite_reports.spk([]) == {}
    assert "| Sum/Avg|    0      0 |  0.0 " in sclite_reports.summary([])


def test_unknown_signer() -> None:
    segment = AlignedSegment("x", "", ["A"], ["A"], "C")
    assert "    0:  unknown\n" in "".join(sclite_reports.pra([segment]))


def test_segments_may_come_one_by_one() -> None:
    assert sclite_reports.dtl(iter(SEGMENTS)) == sclite_reports.dtl(SEGMENTS)
    assert "".join(sclite_reports.pra(iter(SEGMENTS))) == "".join(sclite_reports.pra(SEGMENTS))
