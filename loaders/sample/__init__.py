"""Sample corpora: invented sentences, in the exact layout of a corpus, drawn as video if wanted."""
