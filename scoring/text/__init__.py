"""Scoring of translations: sentences in, BLEU, chrF, ROUGE-L and WER out, with their signatures.

Papers on sign language translation report BLEU-1 to -4 and ROUGE-L over spoken-language
sentences. As with glosses, the figures depend on how the sentences are prepared: the final full
stop, letter case, Chinese word segmentation, and which of three ROUGE-L variants is computed. A
protocol (:mod:`~slaeval.scoring.text.protocols`) fixes these choices;
:func:`~slaeval.scoring.text.scorer.score_texts` gives the figures under it. BLEU, chrF and the
tests between systems are sacrebleu's; ROUGE-L is ours (:mod:`~slaeval.scoring.text.rouge`).
"""
