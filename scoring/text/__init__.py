"""Scoring of translations: sentences in, BLEU, chrF, ROUGE-L and WER out, with what they mean.

A sign language translation paper prints BLEU-1 to -4 and ROUGE-L over spoken-language sentences.
As with glosses, the figure depends on what is done to the sentences first: a final full stop,
letter case, how Chinese is cut into words, which of the three ROUGE-L in use is computed. A
protocol (:mod:`~slaeval.scoring.text.protocols`) names one such way;
:func:`~slaeval.scoring.text.scorer.score_texts` gives the figures under it. BLEU, chrF and the
tests between systems are sacrebleu's; ROUGE-L is ours (:mod:`~slaeval.scoring.text.rouge`).
"""
