"""Sample corpora: invented sentences, in the exact layout of a corpus, optionally with video."""
